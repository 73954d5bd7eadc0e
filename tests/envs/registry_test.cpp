#include "envs/registry.h"

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/envs/play.h"

namespace lethe::envs {
namespace {

using ::testing::HasSubstr;

std::string ReadFile(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST(Registry, ListsTheCorridorFamilyInTheOrderOfItsTable) {
  const auto ids = Ids();
  const std::vector<std::string> corridor = {
      "Corridor-v0",     "Corridor-Short-v0", "Corridor-4c-v0",     "Corridor-8c-v0",      "Corridor-1k-v0",
      "Corridor-10k-v0", "Corridor-100k-v0",  "Corridor-1k-Mix-v0", "Corridor-10k-Mix-v0", "Corridor-100k-Mix-v0"};
  const auto first = std::ranges::find(ids, "Corridor-v0");
  ASSERT_GE(ids.end() - first, 10);
  EXPECT_EQ(std::vector(first, first + 10), corridor);
}

TEST(Registry, EveryFileThatRegistersIsLinked) {
  int files = 0;
  for (const auto& file : std::filesystem::directory_iterator(std::filesystem::path(LETHE_SOURCE_DIR) / "envs")) {
    if (file.path().extension() == ".cpp")
      files += ReadFile(file.path()).find("\nLETHE_REGISTER_ENV(") != std::string::npos;
  }
  std::set<std::string> families;
  for (const std::string& id : Ids()) families.insert(Find(id).family);
  EXPECT_EQ(families.size(), files);
}

TEST(Registry, UnknownIdNamesTheNearest) {
  EXPECT_THAT(ErrorOf([] { Find("Coridor-v0"); }),
              HasSubstr("unknown environment Coridor-v0; did you mean `Corridor-v0`?"));
  EXPECT_THAT(ErrorOf([] { FindFamily("Coridor", 0); }), HasSubstr("`Corridor`"));
  EXPECT_THAT(ErrorOf([] { FindFamily("Corridor", 7); }), HasSubstr("version 7"));
}

TEST(Registry, RefusesAnIdTwice) { EXPECT_THROW(Add(Find("Corridor-v0")), std::logic_error); }

TEST(Registry, VariantsChangeTheDefaults) {
  const auto mix = Find("Corridor-10k-Mix-v0").make_params();
  EXPECT_EQ(mix->Get("length_max"), 10'000);
  EXPECT_EQ(mix->Get("length_min"), 3);
  EXPECT_EQ(mix->Get("length_dist"), "log_uniform");
}

TEST(Registry, StatesScoresThatLeaveRoomForMemory) {
  for (const std::string& id : Ids()) {
    const Scores& scores = Find(id).scores;
    EXPECT_GT(scores.oracle, 1.5 * scores.memoryless) << id;
    EXPECT_LE(scores.random, scores.memoryless) << id;
  }
}

struct OtherParams {
  template <class V>
  void Visit(V&) {}
  void Check() const {}
};

TEST(Registry, RefusesParametersOfAnotherFamily) {
  EXPECT_THROW(Find("Corridor-v0").make_batch(ParamsOf<OtherParams>(), {}), std::invalid_argument);
}

}  // namespace
}  // namespace lethe::envs
