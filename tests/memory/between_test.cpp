// What a caller adds between the layers of a core: remembered by the next layer, the same in both faces, or refused.

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "memory/registry.h"
#include "memory/torch.h"
#include "tests/memory/error_text.h"
#include "tests/memory/every_core.h"

namespace lethe::memory {
namespace {

using torch::Tensor;

/// Names of the cores that call something between their layers, or of those that refuse to.
std::vector<std::string> CoresThat(bool have_gaps) {
  std::vector<std::string> names;
  for (const std::string& name : CoreNames())
    if ((SmallCoreOptions(FindCore(name), {})->Gaps() > 0) == have_gaps) names.push_back(name);
  return names;
}

class BetweenLayers : public EveryCore {};
class WithoutGaps : public EveryCore {};

/// tanh of a linear layer, each step by itself; and how often it was called.
struct Added {
  explicit Added(int64_t dim, torch::Dtype dtype = torch::kDouble) {
    torch::manual_seed(77);
    weight = torch::randn({dim, dim}, torch::kDouble).to(dtype);
  }
  Between Bind() {
    return [this](size_t layer, const Tensor& y) {
      calls.push_back(static_cast<int64_t>(layer));
      return torch::tanh(torch::linear(y, weight)) * static_cast<double>(layer + 1);
    };
  }
  Tensor weight;
  std::vector<int64_t> calls;
};

void ExpectStepsEqualBlocks(const Core& core, torch::Dtype dtype, double tolerance) {
  const torch::NoGradGuard no_grad;
  Added added(core.dim(), dtype);
  StatePtr block_state = core.Start(4), step_state = block_state;
  double differs = 0;
  uint64_t seed = 50;
  for (const int64_t steps : {9, 1, 6, 13, 5}) {
    SCOPED_TRACE("unroll of " + std::to_string(steps));
    const CoreBlock block = RandomBlock(core, 4, steps, 0.06, ++seed, dtype);
    const BlockOutput whole = core.Forward(block.x, block.starts, block_state, 0, true, 0, added.Bind());
    const CoreSteps single = TakeCoreSteps(*core.Begin(step_state, steps, added.Bind()), block);
    ExpectClose(single.y, whole.y, tolerance, "y");
    ExpectSameState(single.state, whole.state, tolerance);
    differs += RelativeError(core.Forward(block.x, block.starts, block_state).y, whole.y);
    block_state = whole.state, step_state = single.state;
  }
  EXPECT_GT(differs, 0.1) << "what is added must be heard";
}

TEST_P(BetweenLayers, StepEqualsBlockOverEndsAndExpiry) {
  ForVariants(1, torch::kDouble,
              [](const Core& core, const CoreVariant&) { ExpectStepsEqualBlocks(core, torch::kDouble, 1e-9); });
  ForVariants(2, torch::kFloat,
              [](const Core& core, const CoreVariant&) { ExpectStepsEqualBlocks(core, torch::kFloat, 1e-5); });
}

TEST_P(BetweenLayers, IsCalledBehindEveryLayerButTheLast) {
  const auto core = SmallCore(info(), {{"layers", 3.0}}, 4);
  Added added(core->dim());
  const CoreBlock block = RandomBlock(*core, 2, 2, 0, 5);
  const torch::NoGradGuard no_grad;
  core->Forward(block.x, block.starts, core->Start(2), 0, false, 0, added.Bind());
  TakeCoreSteps(*core->Begin(core->Start(2), 2, added.Bind()), block);
  EXPECT_EQ(added.calls, (std::vector<int64_t>{0, 1, 0, 1, 0, 1}));
}

/// One step's addition reaches later steps through the memory of the next layer, and none before it.
TEST_P(BetweenLayers, WhatIsAddedIsRemembered) {
  const auto core = Small(6);
  const CoreBlock block = RandomBlock(*core, 2, 6, 0, 7);
  const torch::NoGradGuard no_grad;
  const Between at_two = [](size_t, const Tensor& y) {
    Tensor added = torch::zeros_like(y);
    added.select(1, 2).fill_(1), added.select(1, 2).select(1, 0).fill_(-3);
    return added;
  };
  const Between nothing = [](size_t, const Tensor&) { return Tensor(); };
  const Tensor plain = core->Forward(block.x, block.starts, core->Start(2)).y,
               with = core->Forward(block.x, block.starts, core->Start(2), 0, false, 0, at_two).y;
  EXPECT_TRUE(SameBits(core->Forward(block.x, block.starts, core->Start(2), 0, false, 0, nothing).y, plain));
  const Tensor changed = (with - plain).abs().amax({0, 2});  // [T]
  EXPECT_EQ(changed.slice(0, 0, 2).max().item<double>(), 0);
  EXPECT_GT(changed[2].item<double>(), 1e-3);
  EXPECT_GT(changed.slice(0, 3).min().item<double>(), 1e-6);
}

TEST_P(BetweenLayers, GradientsReachWhatIsAdded) {
  const auto core = Small(8);
  const StatePtr state = LivedState(*core, 3, 9);
  const CoreBlock block = RandomBlock(*core, 3, 9, 0.05, 10);
  const Tensor weights = torch::randn(block.x.sizes(), torch::kDouble);
  Added added(core->dim());
  const auto loss = [&] {
    return (core->Forward(block.x, block.starts, state, 1, false, 0, added.Bind()).y * weights).sum();
  };
  added.weight.requires_grad_(true);
  loss().backward();
  const Tensor gradient = added.weight.grad(), toward = torch::randn_like(gradient);
  const torch::NoGradGuard no_grad;
  const Tensor before = added.weight.clone();
  const auto at = [&](double step) {
    added.weight.copy_(before + step * toward);
    return loss().item<double>();
  };
  const double expected = (at(1e-6) - at(-1e-6)) / 2e-6, got = (gradient * toward).sum().item<double>();
  EXPECT_NEAR(got, expected, 2e-7 * (1 + std::abs(expected)));
}

TEST_P(BetweenLayers, HasTheShapeOfTheStream) {
  const auto core = Small(11);
  const CoreBlock block = RandomBlock(*core, 2, 3, 0, 12);
  const torch::NoGradGuard no_grad;
  const Between wide = [](size_t, const Tensor& y) { return torch::cat({y, y}, -1); };
  const std::string whole = ErrorText([&] { core->Forward(block.x, block.starts, core->Start(2), 0, false, 0, wide); });
  EXPECT_NE(whole.find("what is added behind layer 0 must be [2, 3, 6]"), std::string::npos) << whole;
  const std::string stepped = ErrorText([&] { TakeCoreSteps(*core->Begin(core->Start(2), 3, wide), block); });
  EXPECT_NE(stepped.find("must be [2, 6]"), std::string::npos) << stepped;
}

void ExpectRefused(const Core& core) {
  const CoreBlock block = RandomBlock(core, 2, 3, 0, 14);
  const Between nothing = [](size_t, const Tensor&) { return Tensor(); };
  const std::string message = "memory: this core has no layers between which something could be added";
  EXPECT_EQ(ErrorText([&] { core.Forward(block.x, block.starts, core.Start(2), 0, false, 0, nothing); }), message);
  EXPECT_EQ(ErrorText([&] { core.Begin(core.Start(2), 3, nothing); }), message);
}

TEST_P(WithoutGaps, NothingIsAdded) { ExpectRefused(*Small(13)); }

TEST_P(BetweenLayers, TakesTwoOfThem) { ExpectRefused(*SmallCore(info(), {{"layers", 1.0}}, 13)); }

INSTANTIATE_TEST_SUITE_P(Cores, BetweenLayers, testing::ValuesIn(CoresThat(true)),
                         [](const auto& param) { return param.param; });
INSTANTIATE_TEST_SUITE_P(Cores, WithoutGaps, testing::ValuesIn(CoresThat(false)),
                         [](const auto& param) { return param.param; });

}  // namespace
}  // namespace lethe::memory
