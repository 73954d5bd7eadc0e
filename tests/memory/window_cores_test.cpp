// Transformer-XL and Adaptive-Span: which ages they see, what they keep, and what a learned span costs.

#include <gtest/gtest.h>

#include "memory/adaptive_span.h"
#include "memory/torch.h"
#include "memory/transformer_xl.h"
#include "tests/memory/close.h"
#include "tests/memory/error_text.h"

namespace lethe::memory {
namespace {

using torch::Tensor;

template <class Options>
Options Small() {
  Options o;
  o.layers = 1, o.dim = 12, o.heads = 2, o.head_dim = 5, o.ffn = 16;
  return o;
}

Tensor NoStarts(int64_t rows, int64_t steps) { return torch::zeros({rows, steps}, torch::kByte); }

/// Weights [T, N] of the only row's head, summed over what else there is.
Tensor WeightsOf(const BankedTransformer& core, const StatePtr& state, int64_t steps, int64_t head) {
  BankedTransformer::LayerPasses passes;
  core.ForwardTraced(torch::randn({1, steps, core.dim()}), NoStarts(1, steps), state, 0, false, &passes);
  return passes[0].detail.weights[0][head].detach();
}

TEST(TransformerXl, SeesAgesOneToL) {
  TransformerXlOptions options = Small<TransformerXlOptions>();
  options.memory_length = 5;
  const TransformerXl core(options);
  const Tensor weights = WeightsOf(core, core.Start(1), 12, 0);
  for (int64_t t = 0; t < 12; ++t)
    for (int64_t i = 0; i < 12; ++i)
      EXPECT_EQ(weights[t][i].item<float>() > 0, t - i >= 1 && t - i <= 5) << t << " sees " << i;
}

TEST(TransformerXl, KeepsTheLastStepsOfTheEpisode) {
  TransformerXlOptions options = Small<TransformerXlOptions>();
  options.memory_length = 5;
  const TransformerXl core(options);
  Tensor starts = NoStarts(3, 9);
  starts[1][6] = 1;
  starts[2][8] = 1;
  const StatePtr state = core.Forward(torch::randn({3, 9, 12}), starts, core.Start(3), 0, true).state;
  EXPECT_TRUE(torch::equal(AsBankedState(state).banks()[0].count, torch::tensor({5, 3, 1}, torch::kLong)));
}

TEST(TransformerXl, EveryAgeHasAKeyUnlessTheOptionsSayFewer) {
  TransformerXlOptions options = Small<TransformerXlOptions>();
  options.memory_length = 9;
  EXPECT_EQ(TransformerXl(options).position_keys().size(2), 9);
  options.positions = 4;
  EXPECT_EQ(TransformerXl(options).position_keys().size(2), 4);
  options.memory_length = 0;
  EXPECT_EQ(ErrorText([&] { TransformerXl core(options); }), "memory option `memory_length`: got 0, allowed: >= 1");
}

AdaptiveSpanOptions Adaptive(double ratio) {
  AdaptiveSpanOptions o = Small<AdaptiveSpanOptions>();
  o.span_limit = 100, o.ramp = 4, o.initial_ratio = ratio;
  return o;
}

void SetRatios(const AdaptiveSpan& core, std::vector<float> ratios) {
  const torch::NoGradGuard no_grad;
  Tensor(core.layers()[0].span_ratio).copy_(torch::tensor(ratios));
}

TEST(AdaptiveSpan, EveryHeadHasItsOwnReach) {
  const AdaptiveSpan core(Adaptive(0));
  SetRatios(core, {0.025F, 0.105F});  // spans 3.5 and 11.5; a memory of age a lives while a < span + R
  for (int64_t head = 0; head < 2; ++head) {
    const Tensor weights = WeightsOf(core, core.Start(1), 30, head);
    const int64_t reach = head == 0 ? 7 : 15;
    EXPECT_EQ((weights[29] > 0).sum().item<int64_t>(), reach);
    EXPECT_GT(weights[29][29 - reach].item<float>(), 0);
    ExpectClose(weights[29].sum(), torch::ones({}), 1e-6, "weights");
  }
}

TEST(AdaptiveSpan, SpansStartAgainWhereTheyAreTold) {
  AdaptiveSpan core(Adaptive(0.9));
  core.RestartSpans(0.25);
  for (const TransformerLayer& layer : core.layers())
    EXPECT_TRUE(torch::equal(layer.span_ratio, torch::full_like(layer.span_ratio, 0.25)));
  EXPECT_THROW(core.RestartSpans(1.5), std::invalid_argument);
  EXPECT_THROW(core.StretchSpans(2), std::logic_error);
}

TEST(AdaptiveSpan, StoresWhatTheWidestHeadSeesWhateverTheLimit) {
  for (const int64_t limit : {100, 100'000}) {
    AdaptiveSpanOptions options = Adaptive(0);
    options.span_limit = limit, options.positions = 8;
    const AdaptiveSpan core(options);
    SetRatios(core, {2.5F / static_cast<float>(limit), 10.5F / static_cast<float>(limit)});
    const BlockOutput block = core.Forward(torch::randn({2, 60, 12}), NoStarts(2, 60), core.Start(2), 0, true);
    EXPECT_EQ(block.state->resident()[0], 2 * 15) << limit;
    EXPECT_EQ(block.living.max[0], 15) << limit;
  }
}

TEST(AdaptiveSpan, NoAgeBeyondTheLimitIsSeen) {
  AdaptiveSpanOptions options = Adaptive(1);
  options.span_limit = 7;
  const AdaptiveSpan core(options);
  EXPECT_EQ((WeightsOf(core, core.Start(1), 30, 0)[29] > 0).sum().item<int64_t>(), 7);
}

TEST(AdaptiveSpan, TheLossIsTheMeanSpanTimesItsWeight) {
  AdaptiveSpanOptions options = Adaptive(0);
  options.span_loss = 0.01;
  const AdaptiveSpan core(options);
  SetRatios(core, {0.2F, 0.4F});
  const BlockOutput block = core.Forward(torch::randn({1, 3, 12}), NoStarts(1, 3), core.Start(1));
  EXPECT_NEAR(block.aux_loss.item<double>(), 0.01 * 100 * 0.3, 1e-6);
  block.aux_loss.backward();
  ExpectClose(core.layers()[0].span_ratio.grad(), torch::full({2}, 0.5F), 1e-6, "gradient");
}

TEST(AdaptiveSpan, RatiosReturnIntoTheirBounds) {
  AdaptiveSpan core(Adaptive(0));
  SetRatios(core, {-0.5F, 1.5F});
  core.ClampParameters();
  EXPECT_TRUE(torch::equal(core.layers()[0].span_ratio, torch::tensor({0.0F, 1.0F})));
}

TEST(AdaptiveSpan, OneSpanForALayerIsOneParameter) {
  AdaptiveSpanOptions options = Adaptive(0.3);
  options.per_layer = true;
  const AdaptiveSpan core(options);
  EXPECT_EQ(core.layers()[0].span_ratio.numel(), 1);
  ExpectClose(core.HeadSpans(core.layers()[0]), torch::full({2}, 31.0, torch::kDouble), 1e-6, "spans");
}

/// The published window leaves out ages in whole steps, the published cache keeps 64 states more than the window.
TEST(AdaptiveSpan, PublishedWindowAndCache) {
  AdaptiveSpanOptions options = Adaptive(0.0955);
  options.span_limit = 1'000, options.positions = 8, options.published = true, options.trim_step = 64;
  const AdaptiveSpan all(options);
  EXPECT_EQ(all.Trim(all.layers()[0]), 896);  // spans of 95.5 and R of 4 reach 100: 896 = 14 * 64
  options.cache = true;
  const AdaptiveSpan cached(options);
  const Tensor x = torch::randn({1, 16, 12});
  EXPECT_EQ(all.Forward(x, NoStarts(1, 16), all.Start(1), 0, true).state->resident()[0], 1'000);
  EXPECT_EQ(cached.Forward(x, NoStarts(1, 16), cached.Start(1), 0, true).state->resident()[0], 104 + 64);
}

/// A published window that grows faster than its cache finds zero vectors there.
TEST(AdaptiveSpan, APublishedCacheThatIsTooShortIsFilledWithZeros) {
  const torch::NoGradGuard no_grad;
  AdaptiveSpanOptions options = Adaptive(0.0955);
  options.span_limit = 1'000, options.positions = 8, options.published = true, options.cache = true,
  options.pre_norm = true;
  const AdaptiveSpan core(options);
  const Tensor x = torch::randn({2, 16, 12});
  const StatePtr cached = core.Forward(x, NoStarts(2, 16), core.Start(2), 0, true).state;
  SetRatios(core, {0.9F, 0.5F});
  TensorMap filled = cached->Save();
  const int64_t window = 1'000 - core.Trim(core.layers()[0]), kept = cached->resident()[0] / 2;
  ASSERT_LT(kept, window);
  filled["layer0.hidden"] =
      torch::constant_pad_nd(filled.at("layer0.hidden").view({2, kept, 12}), {0, 0, window - kept, 0}).flatten(0, 1);
  filled["layer0.time"] = torch::arange(16 - window, 16, torch::kLong).repeat({2});
  filled["layer0.count"] = torch::full({2}, window, torch::kLong);
  const Tensor next = torch::randn({2, 16, 12});
  ExpectClose(core.Forward(next, NoStarts(2, 16), cached).y,
              core.Forward(next, NoStarts(2, 16), core.Restore(filled)).y, 1e-6, "y");
}

}  // namespace
}  // namespace lethe::memory
