// Options, refusals and bookkeeping of every memory core that is registered: none is named here.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "memory/torch.h"
#include "tests/memory/error_text.h"
#include "tests/memory/every_core.h"

namespace lethe::memory {
namespace {

using torch::Tensor;

class EveryCoresForm : public EveryCore {};

/// Takes down every option, and checks what is told about it.
class Catalogue : public OptionVisitor {
 public:
  void operator()(const char* name, int64_t& value, double lowest, double highest, const char* meaning) override {
    AddNumber(name, static_cast<double>(value), lowest, highest, meaning);
  }
  void operator()(const char* name, double& value, double lowest, double highest, const char* meaning) override {
    AddNumber(name, value, lowest, highest, meaning);
  }
  void operator()(const char* name, bool& value, const char* meaning) override { Add(name, value, !value, meaning); }
  void operator()(const char* name, std::string& value, const std::vector<std::string>& allowed,
                  const char* meaning) override {
    Add(name, value, value == allowed.front() ? allowed.back() : allowed.front(), meaning);
    EXPECT_NE(std::find(allowed.begin(), allowed.end(), value), allowed.end()) << name;
  }
  OptionValues values, others;  ///< what they are, and something else that is allowed

 private:
  void AddNumber(const char* name, double value, double lowest, double highest, const char* meaning) {
    Add(name, value, value > lowest ? lowest : std::min(highest, lowest + 1), meaning);
    EXPECT_TRUE(lowest <= value && value <= highest) << name;
  }
  void Add(const char* name, OptionValue value, OptionValue other, const char* meaning) {
    EXPECT_FALSE(values.contains(name)) << name << " is told twice";
    EXPECT_STRNE(meaning, "") << name;
    values[name] = std::move(value), others[name] = std::move(other);
  }
};

TEST_P(EveryCoresForm, OptionsGoThroughAVisitorAndBack) {
  const auto options = info().make_options();
  Catalogue first, second, third;
  options->Visit(first);
  ASSERT_TRUE(first.values.contains("dim"));
  SetOptions change(first.others);
  options->Visit(change);
  options->Visit(second);
  EXPECT_EQ(second.values, first.others);
  const auto copy = info().make_options();
  copy->Visit(third);
  EXPECT_EQ(third.values, first.values) << "defaults are each object's own";
}

TEST_P(EveryCoresForm, OptionsOutOfRangeAreNamed) {
  const auto options = SmallCoreOptions(info(), {{"dim", 0.0}});
  const std::string error = ErrorText([&] { options->Check(); });
  EXPECT_NE(error.find("memory option `dim`: got 0, allowed: "), std::string::npos) << error;
  EXPECT_EQ(ErrorText([&] { options->Make(); }), error);
  EXPECT_EQ(ErrorText([&] { info().make_options()->Check(); }), "");
  EXPECT_EQ(info().make_options()->Make()->dim(), 64);
}

TEST_P(EveryCoresForm, InputThatDoesNotFitIsRefused) {
  const auto core = Small(34);
  const StatePtr state = LivedState(*core, 2, 35);
  const Tensor x = torch::randn({2, 5, 6}, torch::kDouble), starts = torch::zeros({2, 5}, torch::kByte);
  Tensor nan = x.clone(), infinite = x.clone();
  nan[1][2][3] = std::nan(""), infinite[0][0][0] = std::numeric_limits<double>::infinity();
  const auto refused = [&](const char* what, const std::string& part, const std::function<void()>& call) {
    std::string error = ErrorText(call);
    EXPECT_TRUE(error.starts_with("memory") && error.find(part) != std::string::npos) << what << ": " << error;
  };
  refused("width", "x must be [B, T, 6]", [&] {
    core->Forward(torch::randn({2, 5, 7}, torch::kDouble), starts, state);
  });
  refused("dimensions", "x must be [B, T, 6]", [&] { core->Forward(x[0], starts, state); });
  refused("type", "got [2, 5, 6] of float", [&] { core->Forward(x.to(torch::kFloat), starts, state); });
  refused("NaN", "x must be finite, got 1 of 60", [&] { core->Forward(nan, starts, state); });
  refused("infinity", "x must be finite, got 1 of 60", [&] { core->Forward(infinite, starts, state); });
  refused("starts", "episode_start must be [2, 5]", [&] { core->Forward(x, starts.slice(1, 1), state); });
  refused("rows", "x has 1 rows, the state 2", [&] { core->Forward(x.slice(0, 1), starts.slice(0, 1), state); });
  refused("lookahead", "lookahead must leave a step", [&] { core->Forward(x, starts, state, 5); });
  refused("negative lookahead", "lookahead", [&] { core->Forward(x, starts, state, -1); });
  refused("no state", "memory state", [&] { core->Forward(x, starts, nullptr); });
  refused("no state to begin with", "memory state", [&] { core->Begin(nullptr, 4); });
  refused("no steps", "at least one step, got 0", [&] { core->Begin(state, 0); });
  refused("a row that is not there", "row 2 does not exist, allowed 0 to 1", [&] { core->Gather(state, {0, 2}); });
  refused("rows", "rows must be >= 0, got -1", [&] { core->Start(-1); });
  refused("another type's state", "is of float", [&] {
    const auto single = Small(34, torch::kFloat);
    if (single->parameters().empty()) throw std::invalid_argument("memory state: is of float");
    const StatePtr other = single->Start(2);
    if (other->Save().size() == 1) throw std::invalid_argument("memory state: is of float");  // nothing but a clock
    core->Forward(x, starts, other);
  });
}

TEST_P(EveryCoresForm, ASavedStateThatDoesNotFitIsRefused) {
  ForVariants(36, torch::kDouble, [](const Core& core, const CoreVariant&) {
    const TensorMap saved = LivedState(core, 2, 37)->Save();
    for (const auto& [name, tensor] : saved) {
      TensorMap missing = saved, shaped = saved, typed = saved;
      missing.erase(name), shaped[name] = torch::zeros({1, 2, 3, 4}, tensor.options()),
                           typed[name] = tensor.to(torch::kBool);
      const std::string quoted = "`" + name + "`";
      for (const TensorMap& bad : {missing, shaped, typed}) {
        const std::string error = ErrorText([&] { core.Restore(bad); });
        EXPECT_TRUE(error.starts_with("memory state") && error.find(quoted) != std::string::npos) << error;
      }
    }
  });
}

/// An option that is taken and forgotten would pass every other test.
TEST_P(EveryCoresForm, AFrontThatIsAskedForIsThere) {
  for (const std::string front : {"gru", "lstm"}) {
    const auto options = info().make_options();
    const OptionValues values = {{"front", front}};
    SetOptions set(values);
    options->Visit(set);
    if (set.set() == 0) continue;
    const auto core = options->Make();
    EXPECT_NE(&core->Body(), core.get()) << front;
    EXPECT_TRUE(core->Start(1)->Save().contains("front.clock")) << front;
  }
}

TEST_P(EveryCoresForm, AStrangersStateIsRefusedOrWorks) {
  const auto core = Small(38);
  const Tensor x = torch::randn({2, 5, 6}, torch::kDouble), starts = torch::zeros({2, 5}, torch::kByte);
  for (const CoreInfo& other : Cores()) {
    const StatePtr state = SmallCore(other, {{"layers", 3.0}}, 39)->Start(2);
    const std::string error = ErrorText([&] { core->Forward(x, starts, state); });
    EXPECT_TRUE(error.empty() || error.starts_with("memory state")) << error;
  }
}

TEST_P(EveryCoresForm, CountsItsArithmetic) {
  const auto core = info().make_options()->Make();
  const Flops few = core->CountFlops(32, 10), many = core->CountFlops(32, 20);
  EXPECT_GT(few.step, 0);
  EXPECT_GE(few.bank, 0);
  EXPECT_GE(many.step, few.step);
  EXPECT_GE(many.bank, few.bank);
}

TEST_P(EveryCoresForm, ClampingIsDoneOnceAndLeavesAFreshCoreAlone) {
  const auto core = Small(40);
  const auto copies = [&] {
    std::vector<Tensor> all;
    for (const Tensor& p : core->parameters()) all.push_back(p.detach().clone());
    return all;
  };
  const auto same = [&](const std::vector<Tensor>& before) {
    for (size_t i = 0; i < before.size(); ++i)
      EXPECT_TRUE(SameBits(core->parameters()[i], before[i])) << "parameter " << i;
  };
  const auto fresh = copies();
  core->ClampParameters();
  same(fresh);
  {
    const torch::NoGradGuard no_grad;
    for (Tensor& p : core->parameters()) p += 5 * torch::randn(p.sizes(), p.options());
  }
  core->ClampParameters();
  const auto clamped = copies();
  core->ClampParameters();
  same(clamped);
}

INSTANTIATE_TEST_SUITE_P(Cores, EveryCoresForm, testing::ValuesIn(CoreNames()),
                         [](const auto& param) { return param.param; });

}  // namespace
}  // namespace lethe::memory
