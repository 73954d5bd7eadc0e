// Faults of the published code that ours must not have, each test named after one. Where every core could have the
// fault, every core is asked.

#include <gtest/gtest.h>

#include <functional>

#include "memory/adaptive_span.h"
#include "memory/expire_span.h"
#include "memory/torch.h"
#include "memory/transformer_xl.h"
#include "tests/memory/close.h"
#include "tests/memory/core_case.h"
#include "tests/memory/memory_case.h"

namespace lethe::memory {
namespace {

using torch::Tensor;

constexpr int64_t kExactInFloat32 = int64_t{1} << 24;  // the next whole number is not one of float32

void ForEveryCore(torch::Dtype dtype, const std::function<void(const Core&)>& check) {
  for (const CoreInfo& info : Cores()) {
    SCOPED_TRACE(info.name);
    check(*SmallCore(info, {}, 1, dtype));
  }
}

/// The same memories on a clock that is `later` steps ahead.
StatePtr Later(const Core& core, const StatePtr& state, int64_t later) {
  TensorMap saved = state->Save();
  for (auto& [name, tensor] : saved)
    if (name == "clock" || name == "start" || name.ends_with(".time")) tensor = tensor + later;
  return core.Restore(saved);
}

TEST(PublishedBugs, ClockBeyondTwoToThe24IsAsExactAsAFreshOne) {
  const torch::NoGradGuard no_grad;
  ForEveryCore(torch::kFloat, [](const Core& core) {
    const StatePtr fresh = LivedState(core, 3, 2, torch::kFloat);
    for (const int64_t later : {kExactInFloat32, kExactInFloat32 * 1'000 + 7}) {
      const StatePtr late = Later(core, fresh, later);
      const CoreBlock block = RandomBlock(core, 3, 9, 0.05, 3, torch::kFloat);
      const BlockOutput want = core.Forward(block.x, block.starts, fresh, 0, true),
                        got = core.Forward(block.x, block.starts, late, 0, true);
      EXPECT_TRUE(SameBits(got.y, want.y));
      EXPECT_EQ(got.state->resident(), want.state->resident());
      EXPECT_TRUE(
          SameBits(TakeCoreSteps(*core.Begin(late, 9), block).y, TakeCoreSteps(*core.Begin(fresh, 9), block).y));
    }
  });
}

/// One row that remembers steps of ages 2^24 + 1 and 2^24 + 2, where exactly the younger is within reach.
void ExpectExactAges(const BankedTransformer& core) {
  const torch::NoGradGuard no_grad;
  const int64_t clock = kExactInFloat32 + 10;
  const StatePtr state = core.Restore({{"clock", torch::full({1}, clock, torch::kLong)},
                                       {"layer0.time", torch::tensor({8, 9}, torch::kLong)},
                                       {"layer0.hidden", torch::randn({2, core.dim()})},
                                       {"layer0.count", torch::full({1}, 2, torch::kLong)}});
  const Tensor x = torch::randn({1, 2, core.dim()}), starts = torch::zeros({1, 2}, torch::kByte);
  const BlockOutput block = core.Forward(x, starts, state, 1, true);
  EXPECT_EQ(block.living.sum[0], 1) << "the first step sees age 2^24 + 1 and not 2^24 + 2";
  EXPECT_EQ(block.state->resident()[0], 1) << "one step later only the step itself is left";
  const auto stepper = core.Begin(state, 1);
  const uint8_t no_start = 0;
  Trace trace;
  stepper->Step(x.select(1, 0).contiguous(), &no_start, &trace);
  EXPECT_EQ(stepper->Living()[0][0], 1);
  EXPECT_EQ(trace.layers[0].age[0][0].item<int64_t>(), kExactInFloat32 + 2);
  EXPECT_EQ(trace.layers[0].age[0][1].item<int64_t>(), kExactInFloat32 + 1);
  EXPECT_EQ(trace.layers[0].mask[0][0].item<double>(), 0);
  EXPECT_EQ(trace.layers[0].mask[0][1].item<double>(), 1);
}

TEST(PublishedBugs, MemoriesOlderThanTwoToThe24StepsKeepTheirAgeInExpireSpan) {
  ExpireSpanOptions options = SmallOptions();
  options.layers = 1, options.ramp = 1, options.span_limit = static_cast<double>(kExactInFloat32 + 1);
  const ExpireSpan core(options);
  {
    const torch::NoGradGuard no_grad;
    Tensor(core.layers()[0].span_bias).fill_(1e4);  // every span is the limit
  }
  ExpectExactAges(core);
}

TEST(PublishedBugs, MemoriesOlderThanTwoToThe24StepsKeepTheirAgeInTransformerXl) {
  TransformerXlOptions options;
  options.layers = 1, options.dim = 8, options.heads = 2, options.positions = 4,
  options.memory_length = kExactInFloat32 + 1;
  ExpectExactAges(TransformerXl(options));
}

TEST(PublishedBugs, RowsThatExpireAtOtherRatesDoNotMatter) {
  const torch::NoGradGuard no_grad;
  ForEveryCore(torch::kDouble, [](const Core& core) {
    CoreBlock block = RandomBlock(core, 3, 30, 0, 4);
    block.x[1] *= 20, block.x[2] *= -20;  // spans of any size where spans are predicted
    block.starts[1][7] = 1, block.starts[1][23] = 1, block.starts[2][29] = 1;
    const BlockOutput together = core.Forward(block.x, block.starts, core.Start(3), 0, true);
    std::vector<int64_t> stored(together.state->resident().size(), 0);
    for (int64_t row = 0; row < 3; ++row) {
      const BlockOutput alone =
          core.Forward(block.x.slice(0, row, row + 1), block.starts.slice(0, row, row + 1), core.Start(1), 0, true);
      ExpectClose(together.y[row], alone.y[0], 1e-12, "row " + std::to_string(row));
      for (size_t l = 0; l < stored.size(); ++l) stored[l] += alone.state->resident()[l];
    }
    EXPECT_EQ(together.state->resident(), stored) << "no row stores what only another row needs";
  });
}

TEST(PublishedBugs, AnEpisodeThatEndsInsideABlockLeavesNothing) {
  const torch::NoGradGuard no_grad;
  ForEveryCore(torch::kDouble, [](const Core& core) {
    const StatePtr before = LivedState(core, 2, 5);
    for (const int64_t at : {1, 4, 8}) {
      CoreBlock block = RandomBlock(core, 2, 9, 0, 6);
      block.starts.select(1, at).fill_(1);
      const BlockOutput through = core.Forward(block.x, block.starts, before, 0, true);
      const BlockOutput fresh = core.Forward(block.x.slice(1, at), block.starts.slice(1, at), core.Start(2), 0, true);
      ExpectClose(through.y.slice(1, at), fresh.y, 1e-12, "the new episode");
      EXPECT_EQ(through.state->resident(), fresh.state->resident());
      const CoreBlock next = RandomBlock(core, 2, 9, 0, 7);
      ExpectClose(core.Forward(next.x, next.starts, through.state).y, core.Forward(next.x, next.starts, fresh.state).y,
                  1e-12, "the next block");
    }
  });
}

AdaptiveSpanOptions SmallAdaptive() {
  AdaptiveSpanOptions o;
  o.layers = 1, o.dim = 12, o.heads = 2, o.head_dim = 5, o.ffn = 16, o.span_limit = 10, o.ramp = 1, o.positions = 3;
  return o;
}

void ExpectFiniteGradients(const Core& core, const BlockOutput& block) {
  Tensor loss = block.y.square().sum();
  if (block.aux_loss.defined()) loss = loss + block.aux_loss;
  loss.backward();
  for (const Tensor& p : core.parameters())
    EXPECT_TRUE(!p.grad().defined() || torch::isfinite(p.grad()).all().item<bool>());
}

TEST(PublishedBugs, ARampOfOneWithSpansOfZeroSeesTheLastStepOnlyInAdaptiveSpan) {
  const AdaptiveSpan core(SmallAdaptive());
  BankedTransformer::LayerPasses passes;
  const BlockOutput block =
      core.ForwardTraced(torch::randn({2, 9, 12}), torch::zeros({2, 9}, torch::kByte), core.Start(2), 0, true, &passes);
  EXPECT_EQ(block.living.max[0], 1);
  EXPECT_EQ(block.state->resident()[0], 2);
  ExpectClose(passes[0].detail.weights.diagonal(-1, 2, 3), torch::ones({2, 2, 8}), 1e-6,
              "the only key in reach gets everything");
  ExpectFiniteGradients(core, block);
}

TEST(PublishedBugs, SaturatedRatiosSeeTheWholeWindowAndKeepGradientsFinite) {
  AdaptiveSpanOptions options = SmallAdaptive();
  options.initial_ratio = 1;
  for (const double ramp : {1.0, 32.0}) {
    options.ramp = ramp;
    AdaptiveSpan core(options);
    {
      const torch::NoGradGuard no_grad;
      Tensor(core.layers()[0].span_ratio).fill_(1e6);
    }
    core.ClampParameters();
    const BlockOutput block =
        core.Forward(torch::randn({2, 25, 12}), torch::zeros({2, 25}, torch::kByte), core.Start(2), 0, true);
    EXPECT_EQ(block.living.max[0], 10) << "ages 1 to L";
    EXPECT_EQ(block.state->resident()[0], 20);
    ExpectFiniteGradients(core, block);
  }
}

TEST(PublishedBugs, SpansSaturatedEitherWayKeepGradientsFiniteWithARampOfOne) {
  for (const double bias : {-1e4, 1e4}) {
    ExpireSpanOptions options = SmallOptions();
    options.ramp = 1;
    const ExpireSpan core = RandomMemory(options, 8, torch::kFloat);
    {
      const torch::NoGradGuard no_grad;
      for (const TransformerLayer& layer : core.layers())
        Tensor(layer.span).zero_(), Tensor(layer.span_bias).fill_(bias);
    }
    const BlockOutput block =
        core.Forward(torch::randn({2, 40, 12}), torch::zeros({2, 40}, torch::kByte), core.Start(2), 0, true);
    EXPECT_EQ(block.living.max[0], bias > 0 ? 24 : 0);
    EXPECT_EQ(block.state->resident()[0], bias > 0 ? 2 * 24 : 0);
    ExpectFiniteGradients(core, block);
  }
}

}  // namespace
}  // namespace lethe::memory
