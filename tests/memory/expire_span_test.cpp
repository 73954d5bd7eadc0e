// What an Expire-Span memory promises about time: causality, episodes, expiry, living memories, extremes.

#include "memory/expire_span.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include <algorithm>
#include <thread>

#include "memory/kernels/span_mask.h"
#include "memory/torch.h"
#include "tests/memory/close.h"
#include "tests/memory/error_text.h"
#include "tests/memory/memory_case.h"

namespace lethe::memory {
namespace {

using torch::Tensor;

Tensor NoStarts(int64_t rows, int64_t steps) { return torch::zeros({rows, steps}, torch::kByte); }

/// Span bias so large or small that every span is the limit or zero.
void SaturateSpans(const ExpireSpan& core, double bias) {
  const torch::NoGradGuard no_grad;
  for (const TransformerLayer& layer : core.layers()) {
    Tensor span = layer.span, span_bias = layer.span_bias;
    span.zero_();
    span_bias.fill_(bias);
  }
}

/// A state after a few blocks of random life.
StatePtr Lived(const ExpireSpan& core, int64_t rows, uint64_t seed) {
  const torch::NoGradGuard no_grad;
  const Blocks blocks = RandomBlocks(4, rows, 6, core.options().dim, 0.05, seed, core.position_keys().scalar_type());
  StatePtr state = core.Start(rows);
  for (size_t k = 0; k < blocks.x.size(); ++k)
    state = core.Forward(blocks.x[k], blocks.starts[k], state, 0, true).state;
  return state;
}

TEST(ExpireSpan, ALaterInputChangesNoEarlierOutput) {
  const torch::NoGradGuard no_grad;
  const ExpireSpan core = RandomMemory(SmallOptions(), 1);
  const StatePtr state = Lived(core, 3, 2);
  const Blocks block = RandomBlocks(1, 3, 8, 12, 0.1, 3);
  const Tensor want = core.Forward(block.x[0], block.starts[0], state).y;
  for (int64_t t = 0; t < 8; ++t) {
    Tensor x = block.x[0].clone(), starts = block.starts[0].clone();
    x.slice(1, t) += torch::randn({3, 8 - t, 12}, torch::kDouble) * 3;
    starts.slice(1, t) = 1 - starts.slice(1, t);
    const Tensor y = core.Forward(x, starts, state).y;
    ExpectClose(y.slice(1, 0, t), want.slice(1, 0, t), 1e-14, "steps before " + std::to_string(t));
    EXPECT_GT(RelativeError(y.slice(1, t), want.slice(1, t)), 1e-3);
  }
}

TEST(ExpireSpan, TheFirstStepOfAnEpisodeAttendsToNothing) {
  const ExpireSpan core = RandomMemory(SmallOptions(), 4);
  const Blocks block = RandomBlocks(1, 4, 9, 12, 0.3, 5);
  BankedTransformer::LayerPasses passes;
  core.ForwardTraced(block.x[0], block.starts[0], Lived(core, 4, 6), 0, false, &passes);
  const Tensor first = block.starts[0] != 0;
  ASSERT_GT(first.sum().item<int64_t>(), 4);
  for (const BankedTransformer::LayerPass& pass : passes) {
    EXPECT_EQ(pass.attention.index({first}).abs().max().item<double>(), 0);
    EXPECT_EQ(pass.detail.living.index({first}).sum().item<int64_t>(), 0);
    EXPECT_GT(pass.attention.abs().sum(2).index({first.logical_not()}).max().item<double>(), 0);
  }
}

TEST(ExpireSpan, AFinishedEpisodeIsInvisibleAtOnceAndGoneAfterTheBlock) {
  const torch::NoGradGuard no_grad;
  const ExpireSpan core = RandomMemory(SmallOptions(), 7);
  Tensor starts = NoStarts(2, 8);
  starts[1][3] = 1;
  const Tensor x = torch::randn({2, 8, 12}, torch::kDouble);
  Tensor other = x.clone();
  other.slice(1, 0, 3) += 1;
  const BlockOutput a = core.Forward(x, starts, Lived(core, 2, 8), 0, true);
  const BlockOutput b = core.Forward(other, starts, Lived(core, 2, 9), 0, true);
  ExpectClose(a.y[1].slice(0, 3), b.y[1].slice(0, 3), 1e-14,
              "after the start");  // sums may group living keys differently
  EXPECT_GT(RelativeError(a.y[0].slice(0, 3), b.y[0].slice(0, 3)), 1e-3);
  for (const Bank& bank : AsBankedState(a.state).banks()) {
    const int64_t clock = 4 * 6 + 8, begin = bank.begin[1].item<int64_t>(), count = bank.count[1].item<int64_t>();
    EXPECT_LE(count, 5);
    EXPECT_TRUE((bank.time.slice(0, begin, begin + count) >= clock - 5).all().item<bool>());
  }
}

TEST(ExpireSpan, AnEpisodeStartIsAReset) {
  const torch::NoGradGuard no_grad;
  const ExpireSpan core = RandomMemory(SmallOptions(), 10);
  const StatePtr state = Lived(core, 2, 11);
  const Tensor x = torch::randn({2, 6, 12}, torch::kDouble);
  Tensor starts = NoStarts(2, 6);
  starts[0][0] = 1;
  const Tensor by_start = core.Forward(x, starts, state).y;
  const Tensor by_reset = core.Forward(x, NoStarts(2, 6), core.Gather(state, {-1, 1})).y;
  ExpectClose(by_start, by_reset, 1e-14, "y");
}

TEST(ExpireSpan, BlockBoundariesDoNotMatter) {
  const torch::NoGradGuard no_grad;
  const ExpireSpan core = RandomMemory(SmallOptions(), 12);
  const StatePtr state = Lived(core, 3, 13);
  const Blocks block = RandomBlocks(1, 3, 16, 12, 0.05, 14);
  const Tensor &x = block.x[0], &starts = block.starts[0];
  const BlockOutput whole = core.Forward(x, starts, state, 0, true);
  for (const int64_t cut : {1, 5, 15}) {
    const BlockOutput first = core.Forward(x.slice(1, 0, cut), starts.slice(1, 0, cut), state, 0, true);
    const BlockOutput second = core.Forward(x.slice(1, cut), starts.slice(1, cut), first.state, 0, true);
    ExpectClose(torch::cat({first.y, second.y}, 1), whole.y, 1e-12, "cut at " + std::to_string(cut));
    EXPECT_TRUE(torch::equal(second.state->Save().at("layer1.time"), whole.state->Save().at("layer1.time")));
  }
}

TEST(ExpireSpan, LookaheadStepsAreSeenButNotRemembered) {
  const torch::NoGradGuard no_grad;
  const ExpireSpan core = RandomMemory(SmallOptions(), 15);
  const StatePtr state = Lived(core, 3, 16);
  const Blocks block = RandomBlocks(1, 3, 9, 12, 0.1, 17);
  const Tensor &x = block.x[0], &starts = block.starts[0];
  const BlockOutput all = core.Forward(x, starts, state, 1, true);
  const BlockOutput fresh = core.Forward(x.slice(1, 0, 8), starts.slice(1, 0, 8), state, 0, true);
  ExpectClose(all.y.slice(1, 0, 8), fresh.y, 1e-13, "y");
  ExpectClose(all.span_mean, fresh.span_mean, 1e-13, "span_mean");
  EXPECT_EQ(all.living.sum, fresh.living.sum);
  EXPECT_EQ(all.living.steps, fresh.living.steps);
  const Tensor next = core.Forward(x.slice(1, 8), starts.slice(1, 8), all.state).y;
  ExpectClose(all.y.slice(1, 8), next, 1e-12, "the step ahead");
  for (const auto& [name, tensor] : fresh.state->Save()) ExpectClose(all.state->Save().at(name), tensor, 1e-13, name);
}

/// Every step that the rows ever lived through, with the spans that the memory gave them.
class History {
 public:
  void Add(const BlockOutput& block, const Tensor& starts, size_t layer) {
    for (int64_t t = 0; t < starts.size(1); ++t, ++now_) {
      for (int64_t row = 0; row < starts.size(0); ++row) {
        if (rows_.size() <= static_cast<size_t>(row)) rows_.push_back({});
        auto& life = rows_[static_cast<size_t>(row)];
        if (starts[row][t].item<int64_t>() != 0) life.clear();
        const double living = static_cast<double>(Living(life, now_).size());
        sum += living, max = std::max(max, living);
        life.push_back({now_, block.spans[layer][row][t].item<double>()});
      }
    }
  }
  /// Times of what row remembers at the next step.
  std::vector<int64_t> Remembered(size_t row) const { return Living(rows_[row], now_); }

  double sum = 0, max = 0;

 private:
  struct Moment {
    int64_t time;
    double span;
  };
  static std::vector<int64_t> Living(const std::vector<Moment>& life, int64_t now) {
    std::vector<int64_t> times;
    for (const Moment& m : life)
      if (SpanMask(m.span - static_cast<double>(now - m.time), SmallOptions().ramp) > 0) times.push_back(m.time);
    return times;
  }

  std::vector<std::vector<Moment>> rows_;
  int64_t now_ = 0;
};

TEST(ExpireSpan, LivingMemoriesAndWhatIsStoredEqualBruteForce) {
  const torch::NoGradGuard no_grad;
  const ExpireSpan core = RandomMemory(SmallOptions(), 18);
  const Blocks blocks = RandomBlocks(10, 4, 7, 12, 0.04, 19);
  std::vector<History> history(2);
  StatePtr state = core.Start(4);
  for (size_t k = 0; k < blocks.x.size(); ++k) {
    const BlockOutput block = core.Forward(blocks.x[k], blocks.starts[k], state, 0, true);
    state = block.state;
    for (size_t l = 0; l < 2; ++l) {
      history[l].sum = history[l].max = 0;
      history[l].Add(block, blocks.starts[k], l);
      EXPECT_EQ(block.living.sum[l], history[l].sum);
      EXPECT_EQ(block.living.max[l], history[l].max);
      const Bank& bank = AsBankedState(state).banks()[l];
      for (size_t row = 0; row < 4; ++row) {
        const std::vector<int64_t> want = history[l].Remembered(row);
        const int64_t begin = bank.begin[static_cast<int64_t>(row)].item<int64_t>();
        const Tensor stored = bank.time.slice(0, begin, begin + bank.count[static_cast<int64_t>(row)].item<int64_t>());
        EXPECT_TRUE(torch::equal(stored, torch::tensor(want, torch::kLong))) << "layer " << l << " row " << row;
      }
    }
    EXPECT_EQ(block.living.steps, 4 * 7);
  }
}

TEST(ExpireSpan, RowsForgetAtTheirOwnRates) {
  const torch::NoGradGuard no_grad;
  ExpireSpanOptions options = SmallOptions();
  options.layers = 1;
  const ExpireSpan core = RandomMemory(options, 20);
  Tensor span = core.layers()[0].span, bias = core.layers()[0].span_bias;
  span.zero_(), bias.zero_();
  span[0][0] = 1;
  Tensor x = torch::randn({3, 40, 12}, torch::kDouble);
  x.select(2, 0).copy_(torch::tensor({-50.0, 0.0, 50.0}, torch::kDouble).unsqueeze(1));  // spans 0, L / 2, L
  const StatePtr state = core.Forward(x, NoStarts(3, 40), core.Start(3), 0, true).state;
  // A memory of age a lives while span - a > -R: ages 1 to span + R - 1.
  EXPECT_TRUE(torch::equal(AsBankedState(state).banks()[0].count, torch::tensor({3, 15, 27}, torch::kLong)));
  EXPECT_EQ(state->resident(), std::vector<int64_t>{45});
  EXPECT_EQ(state->bytes(), 45 * (12 + 1) * 8);
}

TEST(ExpireSpan, SaturatedSpansAreExactAndKeepGradientsFinite) {
  for (const bool wide : {false, true}) {
    const ExpireSpan core = RandomMemory(SmallOptions(), 21, torch::kFloat);
    SaturateSpans(core, wide ? 1e4 : -1e4);
    const Tensor x = torch::randn({2, 40, 12}).requires_grad_(true);
    const BlockOutput block = core.Forward(x, NoStarts(2, 40), core.Start(2), 0, true);
    EXPECT_EQ(block.spans[0].min().item<double>(), wide ? 24 : 0);
    EXPECT_EQ(block.spans[0].max().item<double>(), wide ? 24 : 0);
    EXPECT_EQ(block.state->resident()[0], wide ? 2 * 27 : 2 * 3);
    (block.y.square().sum() + block.span_mean.sum() + block.ramp_sum.sum()).backward();
    for (const Tensor& p : core.parameters()) EXPECT_TRUE(torch::isfinite(p.grad()).all().item<bool>());
    EXPECT_TRUE(torch::isfinite(x.grad()).all().item<bool>());
  }
}

TEST(ExpireSpan, WithARampOfOneASpanOfZeroRemembersNothing) {
  ExpireSpanOptions options = SmallOptions();
  options.ramp = 1;
  const ExpireSpan core = RandomMemory(options, 22);
  SaturateSpans(core, -1e4);
  BankedTransformer::LayerPasses passes;
  const BlockOutput block =
      core.ForwardTraced(torch::randn({2, 9, 12}, torch::kDouble), NoStarts(2, 9), core.Start(2), 0, true, &passes);
  for (const BankedTransformer::LayerPass& pass : passes) EXPECT_EQ(pass.attention.abs().max().item<double>(), 0);
  EXPECT_EQ(block.state->resident(), (std::vector<int64_t>{0, 0}));
  EXPECT_EQ(block.living.max, (std::vector<double>{0, 0}));
}

TEST(ExpireSpan, WithARampOfOneASpanNearZeroSeesTheLastStepOnly) {
  ExpireSpanOptions options = SmallOptions();
  options.ramp = 1;
  const ExpireSpan core = RandomMemory(options, 23);
  SaturateSpans(core, -30);  // spans of 2e-12 steps
  BankedTransformer::LayerPasses passes;
  const BlockOutput block =
      core.ForwardTraced(torch::randn({2, 9, 12}, torch::kDouble), NoStarts(2, 9), core.Start(2), 0, true, &passes);
  EXPECT_EQ(block.living.max, (std::vector<double>{1, 1}));
  const Tensor weights = passes[0].detail.weights;  // [B, heads, 9, 9]: the only living key gets everything
  ExpectClose(weights.diagonal(-1, 2, 3), torch::ones({2, 2, 8}, torch::kDouble), 1e-12, "weights");
}

TEST(ExpireSpan, SpanMeanAndSpansBelongToTheNewSteps) {
  const torch::NoGradGuard no_grad;
  const ExpireSpan core = RandomMemory(SmallOptions(), 24);
  const Blocks block = RandomBlocks(1, 3, 6, 12, 0.1, 25);
  const BlockOutput out = core.Forward(block.x[0], block.starts[0], Lived(core, 3, 26));
  ExpectClose(out.span_mean, torch::stack({out.spans[0].mean(), out.spans[1].mean()}), 1e-14, "span_mean");
  const TransformerLayer& layer = core.layers()[0];
  const Tensor by_hand = 24 * torch::sigmoid((block.x[0] * layer.span[0]).sum(2) + layer.span_bias);
  ExpectClose(out.spans[0], by_hand, 1e-14, "spans of the first layer");
}

TEST(ExpireSpan, ShorteningCutsSpansInTheMaskOnly) {
  const torch::NoGradGuard no_grad;
  ExpireSpan core = RandomMemory(SmallOptions(), 27);
  const Blocks block = RandomBlocks(1, 3, 30, 12, 0, 28);
  const BlockOutput full = core.Forward(block.x[0], block.starts[0], core.Start(3), 0, true);
  core.SetShortening(0.1);  // 2.4 steps
  const BlockOutput cut = core.Forward(block.x[0], block.starts[0], core.Start(3), 0, true);
  EXPECT_LE(cut.living.max[0], 6);  // ages below 2.4 + R
  EXPECT_GT(full.living.max[0], 8);
  EXPECT_TRUE(torch::equal(cut.spans[0], full.spans[0]));
  EXPECT_EQ(cut.state->resident()[0], full.state->resident()[0]);
}

TEST(ExpireSpan, TheInitialSpanIsWhatTheOptionSays) {
  ExpireSpanOptions options;
  options.initial_span = 0.73, options.span_limit = 200;
  const ExpireSpan core(options);
  const BlockOutput out = core.Forward(torch::randn({2, 5, 64}), NoStarts(2, 5), core.Start(2));
  EXPECT_NEAR(out.span_mean.sum().item<double>(), 2 * 0.73 * 200, 1e-3);
}

TEST(ExpireSpan, SpansStartAgainWhereTheyAreTold) {
  ExpireSpan core = RandomMemory(SmallOptions(), 31, torch::kDouble);
  const Tensor query = core.layers()[0].query.clone();
  core.RestartSpans(0.25);
  const BlockOutput out = core.Forward(torch::randn({2, 5, core.dim()}, torch::kDouble), NoStarts(2, 5), core.Start(2));
  for (const Tensor& span : out.spans)
    EXPECT_LT((span - 0.25 * core.options().span_limit).abs().max().item<double>(), 1e-9);
  EXPECT_TRUE(torch::equal(core.layers()[0].query, query));
  EXPECT_THAT(ErrorText([&] { core.RestartSpans(1); }), testing::HasSubstr("no predictor gives spans of"));
}

TEST(ExpireSpan, StretchingMultipliesSpansFarBelowTheLimit) {
  ExpireSpanOptions options = SmallOptions();
  options.span_limit = 1e8, options.initial_span = 2e-7;
  ExpireSpan core = RandomMemory(options, 32, torch::kDouble);
  {
    const torch::NoGradGuard no_grad;
    for (const TransformerLayer& layer : core.layers()) Tensor(layer.span_bias).fill_(core.BiasOf(2e-7));
  }
  const Tensor x = torch::randn({2, 5, core.dim()}, torch::kDouble);
  const BlockOutput before = core.Forward(x, NoStarts(2, 5), core.Start(2));
  core.StretchSpans(8);
  const BlockOutput after = core.Forward(x, NoStarts(2, 5), core.Start(2));
  // Of the first layer: what the others see changes with what it remembers.
  EXPECT_LT((after.spans[0] / before.spans[0] - 8).abs().max().item<double>(), 0.1);
  core.StretchSpans(1e12);
  const BlockOutput longest = core.Forward(x, NoStarts(2, 5), core.Start(2));
  EXPECT_LE(longest.spans[0].max().item<double>(), options.span_limit);
}

TEST(ExpireSpan, SharpeningSendsSpansToTheLimitOrToNothing) {
  ExpireSpan core = RandomMemory(SmallOptions(), 33, torch::kDouble);
  const double limit = core.options().span_limit;
  const Tensor x = torch::randn({2, 40, core.dim()}, torch::kDouble);
  const Tensor before = core.Forward(x, NoStarts(2, 40), core.Start(2)).spans[0];
  core.SharpenSpans(3);
  const Tensor after = core.Forward(x, NoStarts(2, 40), core.Start(2)).spans[0];
  const auto argument = [limit](const Tensor& span) { return (span / (limit - span)).log(); };
  EXPECT_LT((argument(after) - 3 * argument(before)).abs().max().item<double>(), 1e-6);
  const Tensor is_long = before > limit / 2;
  EXPECT_TRUE((after.masked_select(is_long) > before.masked_select(is_long)).all().item<bool>());
  EXPECT_TRUE((after.masked_select(~is_long) < before.masked_select(~is_long)).all().item<bool>());
}

TEST(ExpireSpan, OnALogarithmicScaleNothingStretches) {
  ExpireSpanOptions options;
  options.span_scale = "logarithmic";
  ExpireSpan core(options);
  EXPECT_FALSE(options.CanStretchSpans());
  EXPECT_THROW(core.StretchSpans(2), std::logic_error);
  EXPECT_THROW(core.SharpenSpans(2), std::logic_error);
}

TEST(ExpireSpan, OnALogarithmicScaleTheSigmoidsArgumentMultipliesSpans) {
  ExpireSpanOptions options;
  options.span_scale = "logarithmic", options.initial_span = 0.25, options.span_limit = 8192, options.ramp = 8;
  const ExpireSpan core(options);
  // e = 8 * 1024^s: 2048 at s = 0.8; what is charged is 8192 s.
  const BlockOutput out = core.Forward(torch::randn({2, 5, 64}), NoStarts(2, 5), core.Start(2));
  EXPECT_NEAR(out.spans[0].mean().item<double>(), 2048, 1e-3);
  EXPECT_NEAR(out.span_mean.sum().item<double>(), 2 * 0.8 * 8192, 1e-3);
  const torch::NoGradGuard no_grad;
  torch::Tensor(core.layers()[0].span_bias).fill_(0);  // s = 1/2: the geometric mean of ramp and limit
  const BlockOutput middle = core.Forward(torch::randn({2, 5, 64}), NoStarts(2, 5), core.Start(2));
  EXPECT_NEAR(middle.spans[0].mean().item<double>(), 256, 1e-9);
}

/// What devices compute, against the function that the CPU takes.
TEST(ExpireSpan, SpansAndSharesAreInverse) {
  for (const double least : {0.0, 8.0}) {
    const Tensor share = torch::tensor({0.001, 0.3, 0.5, 0.999}, torch::kDouble);
    const Tensor span = SpansOf(share, 8192, least);
    ExpectClose(SharesOf(span, 8192, least), share, 1e-12, "share");
    SpanRule rule{{1}, 0, 1, 8192, least};
    for (int64_t i = 0; i < 4; ++i) {
      const double s = share[i].item<double>(), argument = std::log(s / (1 - s));
      EXPECT_NEAR(SpanOf(rule, &argument), span[i].item<double>(), 1e-9 * 8192);
    }
  }
}

TEST(ExpireSpan, NoBiasGivesSpansBelowTheScale) {
  ExpireSpanOptions options;
  options.span_scale = "logarithmic", options.span_limit = 800, options.ramp = 8;
  const ExpireSpan core(options);
  EXPECT_NEAR(core.BiasOf(0.1), 0, 1e-12) << "80 is the geometric mean of 8 and 800";
  EXPECT_EQ(ErrorText([&] { core.BiasOf(0.01); }),
            "memory: no predictor gives spans of 8 steps; allowed: more than 8, less than 800");
}

TEST(ThreadsExpireSpan, ForwardOfOneMemoryRunsOnSeveralThreads) {
  const ExpireSpan core = RandomMemory(SmallOptions(), 29, torch::kFloat);
  const StatePtr state = Lived(core, 3, 30);
  const Blocks block = RandomBlocks(4, 3, 8, 12, 0.1, 31, torch::kFloat);
  const auto run = [&](size_t k) {
    const torch::NoGradGuard no_grad;
    return core.Forward(block.x[k], block.starts[k], state).y;
  };
  std::vector<Tensor> y(4);
  std::vector<std::thread> threads;
  for (size_t k = 0; k < 4; ++k) threads.emplace_back([&, k] { y[k] = run(k); });
  for (std::thread& thread : threads) thread.join();
  for (size_t k = 0; k < 4; ++k) EXPECT_TRUE(SameBits(y[k], run(k))) << "thread " << k;
}

}  // namespace
}  // namespace lethe::memory
