#include "envs/params.h"

#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "configs/options.h"
#include "tests/envs/play.h"

namespace lethe::envs {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<Params> Corridor() { return Find("Corridor-v0").make_params(); }

std::string ErrorOfChange(const std::string& name, const Json& value) {
  return ErrorOf([&] {
    const auto params = Corridor();
    params->Set(name, value);
    params->Check();
  });
}

TEST(Params, GoToJsonAndBack) {
  const auto params = Corridor();
  params->Set("step_cost", 0.25);
  params->Set("hint", true);
  params->Set("length_dist", "log_uniform");
  const auto copy = Corridor();
  copy->FromJson(params->ToJson());
  EXPECT_EQ(copy->ToJson(), params->ToJson());
  EXPECT_EQ(copy->Get("step_cost"), 0.25);
}

TEST(Params, CloneIsIndependent) {
  const auto params = Corridor();
  const auto copy = params->Clone();
  copy->Set("colors", 5);
  EXPECT_EQ(params->Get("colors"), 2);
}

TEST(Params, CanBeVisitedByAnyStruct) {
  struct CountNumbers {
    int numbers = 0;
    void operator()(const char*, int64_t&, const configs::Range&, const char*) { ++numbers; }
    void operator()(const char*, double&, const configs::Range&, const char*) { ++numbers; }
    void operator()(const char*, bool&, const configs::Any&, const char*) {}
    void operator()(const char*, std::string&, const configs::Any&, const char*) {}
    void operator()(const char*, std::string&, const configs::OneOf&, const char*) {}
  } count;
  Corridor()->Visit(count);
  EXPECT_EQ(count.numbers, 9);
}

TEST(Params, CanBeASectionOfTheOptions) {
  const auto params = Corridor();
  configs::Options options;
  options.Section("env", *params, "the environment");
  configs::Document document;
  document.Override("env.length_max=50");
  document.Override("env.length_dist=log_uniform");
  options.Read(document);
  EXPECT_EQ(params->Get("length_max"), 50);
  EXPECT_EQ(params->Get("length_dist"), "log_uniform");
}

struct BadChange {
  const char* name;
  Json value;
  const char* message;
};

TEST(Params, BadValuesAreRefusedWithNameValueAndWhatIsAllowed) {
  const std::vector<BadChange> cases = {
      {"lenght_max", 5, "unknown parameter lenght_max; did you mean `length_max`?"},
      {"view", 4, "view is 4; allowed: odd, 3..15"},
      {"view", 17, "view is 17"},
      {"view", 3.0, "view is 3.0; allowed: an integer"},
      {"view", "3", "view is \"3\"; allowed: an integer"},
      {"view", uint64_t{1} << 63, "allowed: an integer"},
      {"step_cost", -0.1, "step_cost is -0.1; allowed: 0..1"},
      {"step_cost", "free", "allowed: a number"},
      {"wrong_reward", 0.5, "wrong_reward is 0.5; allowed: -1..0"},
      {"hint", 1, "hint is 1; allowed: true or false"},
      {"max_steps", -1, "max_steps is -1; allowed: >= 0"},
      {"length_min", 2, "length_min is 2; allowed: 3..1000000"},
      {"length_max", 1'000'001, "length_max is 1000001"},
      {"length_dist", "gauss", "length_dist is \"gauss\"; allowed: uniform or log_uniform"},
      {"length_dist", 3, "length_dist is 3; allowed: text"},
      {"colors", 9, "colors is 9; allowed: 2..8"},
      {"limit_scale", 0, "limit_scale is 0; allowed: 1..100"},
      {"limit_offset", 2'000'000, "limit_offset"},
      {"length_min", 300, "length_max is 200; allowed: >= length_min, 300"},
      {"colors", 8, "length_min is 3; allowed with 8 colors and view 3: >= 5"},
      {"view", 7, "length_min is 3; allowed with 2 colors and view 7: >= 4"},
  };
  for (const BadChange& bad : cases) EXPECT_THAT(ErrorOfChange(bad.name, bad.value), HasSubstr(bad.message));
}

TEST(Params, NotANumberIsOutOfRange) {
  EXPECT_THAT(ErrorOfChange("step_cost", std::numeric_limits<double>::quiet_NaN()), HasSubstr("step_cost is nan"));
}

TEST(Params, FromJsonWantsEveryOptionAndNoOther) {
  const auto params = Corridor();
  Json options = params->ToJson();
  options.erase("colors");
  EXPECT_EQ(ErrorOf([&] { params->FromJson(options); }), "colors is missing");
  options["colors"] = 2;
  options["colour"] = 2;
  EXPECT_THAT(ErrorOf([&] { params->FromJson(options); }), HasSubstr("unknown parameter colour"));
  EXPECT_THAT(ErrorOf([&] { params->FromJson(Json::array()); }), HasSubstr("JSON object"));
}

TEST(Params, BatchesCheckThem) {
  EXPECT_THAT(ErrorOf([] { MakeBatch("Corridor-v0", {}, {{"view", 4}}); }), HasSubstr("view is 4"));
  EXPECT_THAT(ErrorOf([] { MakeBatch("Corridor-v0", {.size = 0}); }), HasSubstr("batch size is 0"));
  EXPECT_THAT(ErrorOf([] { MakeBatch("Corridor-v0", {.size = 2, .first_index = 0xffffffff}); }),
              HasSubstr("first_index"));
}

}  // namespace
}  // namespace lethe::envs
