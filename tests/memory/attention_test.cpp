// The attention operator against plain loops, tensor operators and finite differences, in every build of its kernels.

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <map>
#include <random>

#include "memory/kernels/span_mask.h"
#include "memory/torch.h"
#include "tests/memory/attention_case.h"
#include "tests/memory/close.h"
#include "tests/memory/error_text.h"
#include "tests/memory/plain_attention.h"

namespace lethe::memory {
namespace {

using torch::Tensor;

constexpr double kInfinite = std::numeric_limits<double>::infinity();

/// More queries than a panel, so many that panels are wide; more keys than a tile, heads of more than one vector and a
/// rest.
AttentionSizes TiledSizes() {
  AttentionSizes sizes;
  sizes.rows = 2, sizes.queries = 90, sizes.block = 95, sizes.head_dim = 20, sizes.positions = 75, sizes.longest = 300;
  sizes.span_limit = 400, sizes.age_limit = 400, sizes.episode_start = 0.01, sizes.constants.ramp = 30;
  return sizes;
}

/// The same with few queries: panels are narrow.
AttentionSizes NarrowSizes() {
  AttentionSizes sizes = TiledSizes();
  sizes.queries = 37, sizes.block = 40;
  return sizes;
}

/// So many memories that a row's masks are not kept for all heads (kMostKeptMasks of expire_attention_tile.h: 32,768
/// masks; 1,100 memories for 37 queries, 500 for 90, are more), however the panels are cut.
AttentionSizes LongSizes(AttentionSizes sizes, int64_t shortest) {
  sizes.rows = 1, sizes.shortest = shortest, sizes.longest = shortest + 100;
  sizes.age_limit = 40 * static_cast<double>(sizes.longest), sizes.span_limit = sizes.age_limit;
  sizes.constants.ramp = 4000;
  return sizes;
}

/// Sizes that differ in what kernels are sensitive to: vector widths, M against T, ages, published constants.
std::vector<AttentionSizes> ManySizes() {
  std::vector<AttentionSizes> sizes(16);
  sizes[1].queries = 1, sizes[1].block = 7;                                        // a step late in an unroll
  sizes[2].queries = 3, sizes[2].block = 6, sizes[2].constants = {2, 4, 0.02, 6};  // published constants, enlarged
  sizes[3].head_dim = 20, sizes[3].heads = 3, sizes[3].positions = 40, sizes[3].queries = sizes[3].block = 17;
  sizes[4].head_dim = 16, sizes[4].longest = 70, sizes[4].age_limit = 200, sizes[4].span_limit = 250;
  sizes[5].head_dim = 1, sizes[5].heads = 1, sizes[5].positions = 1, sizes[5].constants.ramp = 1,
  sizes[5].span_limit = 2;
  sizes[6].age_limit = 131'072, sizes[6].span_limit = 131'072, sizes[6].constants.ramp = 1'000, sizes[6].slack = 3;
  sizes[7].longest = 1, sizes[7].span_limit = 0.5, sizes[7].constants.ramp = 1.5, sizes[7].episode_start = 0.5;
  sizes[8].constants.window = 6, sizes[9].constants.window = 6, sizes[9].constants.least_mask = 1e-3;
  sizes[10] = TiledSizes();
  sizes[11] = TiledSizes();
  sizes[11].constants = {2, 30, 0.01, 250, 200, 1e-4};  // a window, a least mask and shortened spans at once
  sizes[12] = NarrowSizes(), sizes[13] = NarrowSizes();
  sizes[13].constants = sizes[11].constants;
  sizes[14] = LongSizes(NarrowSizes(), 1'100), sizes[15] = LongSizes(TiledSizes(), 500);
  return sizes;
}

std::vector<AttentionCase> ManyCases() {
  std::vector<AttentionCase> cases;
  uint64_t seed = 1;
  for (const AttentionSizes& sizes : ManySizes())
    for (int i = 0; i < (sizes.queries > 32 ? 1 : 3); ++i) cases.push_back(RandomCase(seed++, sizes));
  return cases;
}

TEST(AttentionCases, SomeHoldMoreMemoriesThanMasksAreKeptFor) {
  int64_t long_narrow = 0, long_wide = 0;
  for (const AttentionCase& c : ManyCases()) {
    const int64_t masks = (c.bank.longest + c.sizes.block) * c.sizes.queries;
    (c.sizes.queries <= 72 ? long_narrow : long_wide) += masks > 32'768;
  }
  EXPECT_GE(long_narrow, 1);
  EXPECT_GE(long_wide, 1);
}

void ExpectSameOutput(const AttentionOutput& got, const AttentionOutput& want, double tolerance) {
  ExpectClose(got.out, want.out, tolerance, "out");
  ExpectClose(got.ramp_sum, want.ramp_sum, tolerance, "ramp_sum");
  ExpectClose(got.weights, want.weights, tolerance, "weights");
  EXPECT_TRUE(torch::equal(got.living, want.living)) << "living";
}

TEST(ExpireAttention, EqualsPlainLoops) {
  for (const AttentionCase& c : ManyCases()) {
    const AttentionOutput want = PlainAttention(c);
    ExpectSameOutput(Dense(c), want, 1e-13);
    for (const Isa isa : RunnableBuilds()) {
      const IsaScope scope(isa);
      ExpectSameOutput(Fused(c), want, 1e-13);
    }
  }
}

TEST(ExpireAttention, GradientsEqualThoseOfTensorOperators) {
  for (const AttentionCase& c : ManyCases()) {
    const AttentionResult want = Differentiate(c, torch::kDouble, Dense);
    for (const Isa isa : RunnableBuilds()) {
      const IsaScope scope(isa);
      const AttentionResult got = Differentiate(c, torch::kDouble, Fused);
      for (size_t i = 0; i < want.gradients.size(); ++i)
        ExpectClose(got.gradients[i], want.gradients[i], 1e-12, AttentionCase::LeafNames()[i]);
    }
  }
}

/// The last step of an unroll only looks ahead: nothing flows into it, and the kernel does not look at it again.
TEST(ExpireAttention, QueriesWithoutGradientAddNothing) {
  uint64_t seed = 300;
  for (const int64_t queries : {1, 17, 33, 80, 97}) {
    AttentionSizes sizes;
    sizes.queries = sizes.block = queries, sizes.span_limit = 40;
    for (const int64_t silent : {int64_t{1}, queries / 2, queries}) {
      AttentionCase c = RandomCase(seed++, sizes);
      c.grad_out.slice(1, queries - silent).zero_();
      c.grad_out[0].zero_();
      const AttentionResult want = Differentiate(c, torch::kDouble, Dense);
      for (const Isa isa : RunnableBuilds()) {
        const IsaScope scope(isa);
        const AttentionResult got = Differentiate(c, torch::kDouble, Fused);
        for (size_t i = 0; i < want.gradients.size(); ++i)
          ExpectClose(got.gradients[i], want.gradients[i], 1e-12, AttentionCase::LeafNames()[i]);
      }
    }
  }
}

/// One visible key has all the weight however it scores: its query and key get nothing, not even a rounding.
TEST(ExpireAttention, OnlyKeyHasNoGradient) {
  AttentionSizes sizes;
  sizes.queries = sizes.block = 2, sizes.constants.ramp = 5;
  AttentionCase c = RandomCase(7, sizes);
  c.episode_begin.zero_();
  c.span.fill_(1.5);
  const AttentionResult got = Differentiate(c, torch::kFloat, Fused);
  for (const size_t i : {0, 1})
    EXPECT_EQ(got.gradients[i].abs().max().item<double>(), 0) << AttentionCase::LeafNames()[i];
}

/// Errors against float64 by output and gradient: root of the mean square over many cases, which one unlucky rounding
/// does not decide.
std::map<std::string, double> Float32Errors(AttentionFunction attention) {
  std::map<std::string, double> squares, counts;
  for (const AttentionCase& c : ManyCases()) {
    const AttentionResult want = Differentiate(c, torch::kDouble, Dense),
                          got = Differentiate(c, torch::kFloat, attention);
    const auto note = [&](const std::string& name, const Tensor& a, const Tensor& b) {
      const double scale = 1 + (b.numel() > 0 ? b.abs().max().item<double>() : 0);
      squares[name] += ((a.to(torch::kDouble) - b) / scale).square().sum().item<double>();
      counts[name] += static_cast<double>(b.numel());
    };
    note("out", got.output.out, want.output.out);
    note("weights", got.output.weights, want.output.weights);
    for (size_t i = 0; i < want.gradients.size(); ++i)
      note(AttentionCase::LeafNames()[i], got.gradients[i], want.gradients[i]);
  }
  for (auto& [name, square] : squares) square = std::sqrt(square / counts[name]);
  return squares;
}

TEST(ExpireAttention, Float32IsAsExactAsTensorOperators) {
  const auto allowed = Float32Errors(Dense);
  for (const Isa isa : RunnableBuilds()) {
    const IsaScope scope(isa);
    for (const auto& [name, error] : Float32Errors(Fused)) {
      EXPECT_LE(error, 2 * allowed.at(name)) << name;
      EXPECT_LT(error, 1e-6) << name;
    }
  }
}

/// Central differences of the loss by every element of every input.
TEST(GradientExpireAttention, EqualsFiniteDifferences) {
  const double step = 1e-6;
  AttentionSizes plain, published, steps;
  published.constants = {2, 4, 0.05, 6};
  steps.queries = 2, steps.block = 6, steps.longest = 4, steps.constants.ramp = 5;
  uint64_t seed = 100;
  for (const AttentionSizes& sizes : {plain, published, steps, plain, published, steps}) {
    const AttentionCase c = RandomCase(seed++, sizes);
    const AttentionResult result = Differentiate(c, torch::kDouble, Fused);
    for (size_t i = 0; i < result.gradients.size(); ++i) {
      AttentionCase moved = c;
      std::vector<Tensor> leaves = c.Leaves();
      leaves[i] = leaves[i].clone();
      moved.SetLeaves(leaves);
      double* x = leaves[i].data_ptr<double>();
      Tensor difference = torch::zeros_like(leaves[i]);
      for (int64_t n = 0; n < leaves[i].numel(); ++n) {
        const double at = x[n];
        x[n] = at + step;
        const double above = Loss(moved, Fused(moved)).item<double>();
        x[n] = at - step;
        const double below = Loss(moved, Fused(moved)).item<double>();
        x[n] = at;
        difference.data_ptr<double>()[n] = (above - below) / (2 * step);
      }
      ExpectClose(result.gradients[i], difference, 1e-7,
                  AttentionCase::LeafNames()[i] + " of case " + std::to_string(seed - 1));
    }
  }
}

/// Writes `value` over the keys and values that no query sees with m > 0, and over all slack. Gives how many.
int64_t Poison(AttentionCase& c, double value) {
  const AttentionSizes& s = c.sizes;
  Tensor bank_seen = torch::zeros({c.bank.k.size(0)}, torch::kBool),
         block_seen = torch::zeros({s.rows, s.block}, torch::kBool);
  for (int64_t row = 0; row < s.rows; ++row)
    for (int64_t t = 0; t < s.queries; ++t)
      for (const PlainKey& key : PlainKeys(c, row, t)) {
        if (!(PlainMask(key, s.constants) > 0)) continue;
        if (key.column < c.bank.longest)
          bank_seen[c.bank.begin[row].item<int64_t>() + key.column] = true;
        else
          block_seen[row][key.column - c.bank.longest] = true;
      }
  const Tensor bank_gone = bank_seen.logical_not(), block_gone = block_seen.logical_not();
  c.bank.k = c.bank.k.masked_fill(bank_gone.unsqueeze(1), value);
  c.bank.v = c.bank.v.masked_fill(bank_gone.unsqueeze(1), value);
  c.k = c.k.masked_fill(block_gone.unsqueeze(2), value);
  c.v = c.v.masked_fill(block_gone.unsqueeze(2), value);
  c.bank.span = c.bank.span.masked_fill(c.bank.age == 0, value);  // slack has age 0
  return bank_gone.sum().item<int64_t>() + block_gone.sum().item<int64_t>();
}

TEST(ExpireAttention, ExpiredKeysAndSlackAreNeverRead) {
  int64_t gone = 0;
  for (AttentionSizes sizes : ManySizes()) {
    sizes.slack = 2;
    const AttentionCase c = RandomCase(7, sizes);
    std::vector<std::pair<double, AttentionCase>> poisoned;
    for (const double value : {1e30, kInfinite, -kInfinite, std::nan("")}) {
      poisoned.emplace_back(value, c);
      gone += Poison(poisoned.back().second, value);
    }
    for (const Isa isa : RunnableBuilds()) {
      const IsaScope scope(isa);
      for (const auto dtype : {torch::kFloat, torch::kDouble, torch::kBFloat16}) {
        const AttentionResult want = Differentiate(c, dtype, Fused);
        for (const auto& [value, spoilt] : poisoned) {
          const AttentionResult got = Differentiate(spoilt, dtype, Fused);
          EXPECT_TRUE(SameBits(got.output.out, want.output.out));
          EXPECT_TRUE(SameBits(got.output.ramp_sum, want.output.ramp_sum));
          EXPECT_TRUE(SameBits(got.output.living, want.output.living));
          EXPECT_TRUE(SameBits(got.output.weights, want.output.weights));
          for (size_t i = 0; i < want.gradients.size(); ++i)
            EXPECT_TRUE(SameBits(got.gradients[i], want.gradients[i]))
                << AttentionCase::LeafNames()[i] << " with " << value;
        }
      }
    }
  }
  EXPECT_GT(gone, 1'000);
}

/// The leak that this operator must not have: a strongly matching key that has expired shrinks the sum of the others.
TEST(ExpireAttention, AnExpiredKeyDoesNotReachTheNormaliser) {
  AttentionSizes sizes;
  sizes.rows = 1, sizes.queries = 1, sizes.block = 3, sizes.heads = 1, sizes.episode_start = 0;
  AttentionCase c = RandomCase(3, sizes);
  c.bank.count = torch::zeros({1}, torch::kLong);
  c.span = torch::tensor({{0.0, 9.0, 9.0}}, torch::kDouble);
  c.sizes.constants.ramp = 1;  // the query stands at step 2: step 0 is gone at age 2
  const AttentionOutput before = Fused(c);
  c.k[0][0] = 1e3 * c.q[0][0];
  EXPECT_TRUE(SameBits(Fused(c).out, before.out));
  ExpectClose(before.out[0][0], c.v[0][1], 1e-15, "the only living memory gets all the weight");
}

TEST(ExpireAttention, NothingSeenGivesZero) {
  AttentionSizes sizes;
  sizes.span_limit = 0, sizes.constants.ramp = 1;
  const AttentionCase c = RandomCase(5, sizes);
  for (const auto dtype : {torch::kFloat, torch::kDouble}) {
    const AttentionResult result = Differentiate(c, dtype, Fused);
    ASSERT_GT(c.bank.k.size(0), 0);
    EXPECT_EQ(result.output.out.abs().max().item<double>(), 0);
    EXPECT_EQ(result.output.living.sum().item<int64_t>(), 0);
    for (const Tensor& gradient : result.gradients) EXPECT_EQ(gradient.abs().max().item<double>(), 0);
  }
}

/// Scores far apart: exp of the differences is 0 to float precision, and nothing overflows.
TEST(ExpireAttention, LargeScoresStayFinite) {
  for (const Isa isa : RunnableBuilds()) {
    const IsaScope scope(isa);
    AttentionCase c = RandomCase(11, AttentionSizes{});
    c.q = c.q * 1e4;
    const AttentionResult want = Differentiate(c, torch::kDouble, Dense), got = Differentiate(c, torch::kFloat, Fused);
    for (const Tensor& gradient : got.gradients) EXPECT_TRUE(torch::isfinite(gradient).all().item<bool>());
    EXPECT_LT(RelativeError(got.output.out, want.output.out), 1e-2);  // float32 scores of 1e4 are good to 1e-3
  }
}

/// Views of a fused projection, rows of other strides: the same numbers as contiguous copies.
TEST(ExpireAttention, TakesViewsOfAFusedProjection) {
  AttentionCase c = RandomCase(13, AttentionSizes{});
  const AttentionOutput want = Fused(c);
  const Tensor kv = torch::stack({c.k, c.v}, 2), bank_kv = torch::stack({c.bank.k, c.bank.v}, 1);
  c.k = kv.select(2, 0), c.v = kv.select(2, 1);
  c.bank.k = bank_kv.select(1, 0), c.bank.v = bank_kv.select(1, 1).contiguous();
  c.q = torch::cat({c.q, c.q}, 2).slice(2, 0, c.q.size(2));
  EXPECT_TRUE(SameBits(Fused(c).out, want.out));
}

TEST(ExpireAttention, ABlockOfOneQueryAtATimeIsTheSame) {
  const AttentionCase c = RandomCase(17, ManySizes()[3]);
  const AttentionOutput want = Fused(c);
  for (int64_t t = 0; t < c.sizes.queries; ++t) {
    AttentionCase one = c;
    one.q = c.q.slice(1, t, t + 1);
    one.k = c.k.slice(1, 0, t + 1), one.v = c.v.slice(1, 0, t + 1), one.span = c.span.slice(1, 0, t + 1);
    one.episode_begin = c.episode_begin.slice(1, 0, t + 1);
    ExpectClose(Fused(one).out.select(1, 0), want.out.select(1, t), 1e-14, "step " + std::to_string(t));
    EXPECT_TRUE(torch::equal(Fused(one).living.select(1, 0), want.living.select(1, t)));
  }
}

/// Whether a memory lives is decided on span - age with an exact age, so it cannot depend on where a block begins.
TEST(ExpireAttention, TheLastLivingStepDoesNotDependOnTheBlock) {
  AttentionSizes sizes;
  sizes.rows = 1, sizes.queries = sizes.block = 8, sizes.episode_start = 0, sizes.slack = 1, sizes.constants.ramp = 0.3;
  AttentionCase c = RandomCase(19, sizes);
  c.bank.begin = torch::zeros({1}, torch::kLong), c.bank.count = torch::ones({1}, torch::kLong), c.bank.longest = 1;
  c.span = torch::zeros_like(c.span);
  for (int64_t age = 1'000; age < 1'200; ++age) {
    // A span that ends on a whole age, but for the last bit.
    const double span = std::nextafter(static_cast<double>(age + 3) - 0.3, age % 2 == 0 ? 0 : kInfinite);
    c.bank.span = torch::full_like(c.bank.span, span), c.bank.age = torch::full_like(c.bank.age, age);
    const Tensor living = Fused(c).living;
    for (int64_t t = 0; t < sizes.queries; ++t)
      EXPECT_EQ(living[0][t].item<int32_t>() > 0, SpanMask(span - static_cast<double>(age + t), 0.3) > 0)
          << age << " + " << t;
  }
}

/// Root of the mean square difference from `want`, relative to 1 + max|want|.
double MeanError(const Tensor& got, const Tensor& want) {
  const double scale = 1 + (want.numel() > 0 ? want.abs().max().item<double>() : 0);
  return want.numel() == 0 ? 0 : ((got.to(torch::kDouble) - want) / scale).square().mean().sqrt().item<double>();
}

/// Against float64 on the same rounded numbers, the kernel in bfloat16 errs at most twice as much as tensor operators.
TEST(ExpireAttention, Bfloat16IsAsExactAsTensorOperators) {
  for (AttentionSizes sizes : {AttentionSizes{}, TiledSizes()}) {
    AttentionCase c = RandomCase(29, sizes).As(torch::kBFloat16).As(torch::kDouble);
    c.grad_out = c.grad_out.to(torch::kBFloat16).to(torch::kDouble);
    const AttentionResult want = Differentiate(c, torch::kDouble, Dense);
    const AttentionResult plain = Differentiate(c, torch::kBFloat16, Dense);
    for (const Isa isa : RunnableBuilds()) {
      const IsaScope scope(isa);
      const AttentionResult got = Differentiate(c, torch::kBFloat16, Fused);
      EXPECT_EQ(got.output.out.scalar_type(), torch::kBFloat16);
      EXPECT_TRUE(torch::equal(got.output.living, want.output.living));
      const double out = MeanError(got.output.out, want.output.out);
      EXPECT_LE(out, 2 * MeanError(plain.output.out, want.output.out));
      EXPECT_LT(out, 0.01);
      for (size_t i = 0; i < want.gradients.size(); ++i)
        EXPECT_LE(MeanError(got.gradients[i], want.gradients[i]),
                  2 * MeanError(plain.gradients[i], want.gradients[i]) + 1e-9)
            << AttentionCase::LeafNames()[i];
    }
  }
}

TEST(ThreadsExpireAttention, GiveTheSameBits) {
  AttentionSizes sizes = TiledSizes();
  sizes.rows = 7, sizes.longest = 90;
  const AttentionCase c = RandomCase(31, sizes);
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const AttentionResult want = Differentiate(c, torch::kFloat, Fused);
  for (const int threads : {2, 4}) {
    at::set_num_threads(threads);
    const AttentionResult got = Differentiate(c, torch::kFloat, Fused);
    EXPECT_TRUE(SameBits(got.output.out, want.output.out)) << threads;
    EXPECT_TRUE(SameBits(got.output.ramp_sum, want.output.ramp_sum)) << threads;
    for (size_t i = 0; i < want.gradients.size(); ++i)
      EXPECT_TRUE(SameBits(got.gradients[i], want.gradients[i])) << threads << " " << AttentionCase::LeafNames()[i];
  }
  at::set_num_threads(before);
}

// Dropout.

AttentionCase WithDropout(AttentionCase c, double dropout, uint64_t seed) {
  c.sizes.constants.dropout = dropout, c.sizes.constants.dropout_seed = seed;
  return c;
}

/// Weights behind dropout, which AttentionOutput::weights does not show: values that name their key by a one, so that
/// the output is the row of weights. [B, heads, Tq, head_dim]
Tensor DroppedWeights(AttentionCase c) {
  const AttentionSizes& s = c.sizes;
  const Tensor names = torch::eye(s.head_dim, torch::kDouble).repeat({1, s.heads});
  c.v = names.slice(0, c.bank.longest, c.bank.longest + s.block).expand({s.rows, s.block, -1}).contiguous();
  c.bank.v = torch::zeros_like(c.bank.v);
  for (int64_t row = 0; row < s.rows; ++row) {
    const int64_t begin = c.bank.begin[row].item<int64_t>(), count = c.bank.count[row].item<int64_t>();
    c.bank.v.slice(0, begin, begin + count).copy_(names.slice(0, 0, count));
  }
  return Fused(c).out.view({s.rows, s.queries, s.heads, s.head_dim}).transpose(1, 2);
}

AttentionCase DropoutCase() {
  AttentionSizes sizes;
  sizes.rows = 6, sizes.queries = sizes.block = 30, sizes.longest = 34, sizes.head_dim = 64, sizes.span_limit = 60;
  sizes.age_limit = 60, sizes.episode_start = 0;
  AttentionCase c = RandomCase(37, sizes);
  c.q = c.q / 8;
  return c;
}

/// Weights are kept and scaled, or zero; as many as asked for; seed 0 keeps all.
TEST(ExpireAttentionDropout, ZeroesTheShareAskedForAndScalesTheRest) {
  const AttentionCase c = DropoutCase();
  const Tensor plain = DroppedWeights(c), weights = Fused(c).weights;
  ExpectClose(plain.slice(3, 0, weights.size(3)), weights, 1e-14, "weights without dropout");
  EXPECT_TRUE(SameBits(DroppedWeights(WithDropout(c, 0.3, 0)), plain));
  for (const double dropout : {0.1, 0.3, 0.5}) {
    const Tensor dropped = DroppedWeights(WithDropout(c, dropout, 12345)), kept = dropped != 0;
    ExpectClose(dropped, torch::where(kept, plain / (1 - dropout), 0), 1e-14, "weights that are kept");
    const double alive = (plain > 0).sum().item<double>(), share = kept.sum().item<double>() / alive;
    EXPECT_NEAR(share, 1 - dropout, 5 * std::sqrt(dropout * (1 - dropout) / alive));
  }
}

TEST(ExpireAttentionDropout, DependsOnTheSeedAlone) {
  const AttentionCase c = DropoutCase();
  const AttentionResult first = Differentiate(WithDropout(c, 0.4, 7), torch::kFloat, Fused);
  const AttentionResult again = Differentiate(WithDropout(c, 0.4, 7), torch::kFloat, Fused);
  EXPECT_TRUE(SameBits(first.output.out, again.output.out));
  for (size_t i = 0; i < first.gradients.size(); ++i) EXPECT_TRUE(SameBits(first.gradients[i], again.gradients[i]));
  const Tensor kept = DroppedWeights(WithDropout(c, 0.4, 7)) != 0;
  for (const uint64_t seed : {uint64_t{8}, uint64_t{7} << 32})
    EXPECT_FALSE(torch::equal(DroppedWeights(WithDropout(c, 0.4, seed)) != 0, kept)) << seed;
  for (const Isa isa : RunnableBuilds()) {
    const IsaScope scope(isa);
    EXPECT_TRUE(torch::equal(DroppedWeights(WithDropout(c, 0.4, 7)) != 0, kept));
  }
}

/// Backward zeroes what forward zeroed: finite differences at a fixed seed.
TEST(GradientExpireAttention, DropsTheSameWeightsAsForward) {
  for (AttentionSizes sizes : {AttentionSizes{}, ManySizes()[2]}) {
    const AttentionCase c = WithDropout(RandomCase(43, sizes), 0.5, 99);
    const AttentionResult result = Differentiate(c, torch::kDouble, Fused);
    for (size_t i = 0; i < result.gradients.size(); ++i) {
      const std::vector<Tensor> leaves = c.Leaves();
      torch::manual_seed(i);
      for (int n = 0; n < 3; ++n) {
        const Tensor direction = torch::randn_like(leaves[i]);
        const auto along = [&](double step) {
          AttentionCase moved = c;
          std::vector<Tensor> at = c.Leaves();
          at[i] = at[i] + step * direction;
          moved.SetLeaves(at);
          return Loss(moved, Fused(moved)).item<double>();
        };
        const double difference = (along(1e-6) - along(-1e-6)) / 2e-6;
        const double slope = (result.gradients[i] * direction).sum().item<double>();
        EXPECT_NEAR(slope, difference, 1e-6 * (1 + std::abs(difference))) << AttentionCase::LeafNames()[i];
      }
    }
  }
}

// Wrong arguments.

std::string MessageFor(const std::function<void(AttentionCase&)>& spoil) {
  AttentionCase c = RandomCase(23, AttentionSizes{});
  spoil(c);
  return ErrorText([&] { Fused(c); });
}

TEST(ExpireAttentionErrors, NameTheArgumentAndItsShape) {
  const std::vector<std::pair<std::function<void(AttentionCase&)>, std::string>> cases = {
      {[](AttentionCase& c) { c.q = c.q[0]; }, "q must be [B, Tq, K]"},
      {[](AttentionCase& c) { c.q = c.q.to(torch::kInt); },
       "q must be [B, Tq, K] of float32, float64 or bfloat16, got shape [3, 5, 8] of int"},
      {[](AttentionCase& c) { c.sizes.constants.heads = 3; },
       "the width of q must be a multiple of the heads, got shape [3, 5, 8]"},
      {[](AttentionCase& c) { c.sizes.constants.heads = 0; }, "multiple of the heads"},
      {[](AttentionCase& c) { c.k = c.k.slice(1, 0, 4); }, "k must be [B, Tk >= Tq, K] like q, got shape [3, 4, 8]"},
      {[](AttentionCase& c) { c.k = c.k.to(torch::kFloat); },
       "k must be [B, Tk >= Tq, K] like q, got shape [3, 5, 8] of float"},
      {[](AttentionCase& c) { c.v = c.v.slice(2, 0, 4); }, "v must be shaped like k"},
      {[](AttentionCase& c) { c.span = c.span.to(torch::kFloat); }, "span must be [B, Tk] of float64"},
      {[](AttentionCase& c) { c.span = c.span.slice(1, 0, 2); }, "span must be [B, Tk] of float64, got shape [3, 2]"},
      {[](AttentionCase& c) { c.episode_begin = c.episode_begin.to(torch::kLong); },
       "episode_begin must be [B, Tk] of int32"},
      {[](AttentionCase& c) { c.bank.k = c.bank.k.slice(1, 0, 4); }, "bank.k must be [N, K] like q"},
      {[](AttentionCase& c) { c.bank.v = c.bank.v.slice(0, 1); }, "bank.v must be shaped like bank.k"},
      {[](AttentionCase& c) { c.bank.span = c.bank.span.slice(0, 1); }, "bank.span must be [N] of float64"},
      {[](AttentionCase& c) { c.bank.age = c.bank.age.to(torch::kInt); }, "bank.age must be [N] of int64"},
      {[](AttentionCase& c) { c.bank.count = c.bank.count.slice(0, 1); }, "bank.begin and bank.count must be [B]"},
      {[](AttentionCase& c) { c.bank.begin = c.bank.begin.to(torch::kInt); },
       "bank.begin and bank.count must be [B] of int64"},
      {[](AttentionCase& c) { c.position_keys = c.position_keys.slice(0, 1); },
       "position_keys must be [K / heads, M] like q"},
      {[](AttentionCase& c) { c.sizes.constants.ramp = 0; }, "ramp must be > 0, got 0"},
      {[](AttentionCase& c) { c.sizes.constants.ramp = std::nan(""); }, "ramp must be > 0, got nan"},
      {[](AttentionCase& c) { c.bank.begin = c.bank.begin + 1'000; }, "row 0 of the bank must lie within its"},
      {[](AttentionCase& c) { c.bank.count = c.bank.count - 1'000; }, "row 0 of the bank must lie within its"},
      {[](AttentionCase& c) { c.bank.longest = 0; }, "bank.longest"},
      {[](AttentionCase& c) {
         c.bank.begin = torch::zeros({3}, torch::kLong), c.bank.count = torch::ones({3}, torch::kLong);
       },
       "rows of the bank must not share memories, got two that hold memory 0"},
      {[](AttentionCase& c) { c.span = c.span.clone().fill_(std::nan("")); }, "span must be numbers, not NaN"},
      {[](AttentionCase& c) { c.bank.span = c.bank.span.clone().fill_(std::nan("")); },
       "bank.span of row 0 must be numbers, got NaN"},
      {[](AttentionCase& c) { c.q = c.q.clone().fill_(std::nan("")); }, "must be finite"},
      {[](AttentionCase& c) { c.k = c.k.clone().fill_(std::nan("")); }, "must be finite"},
      {[](AttentionCase& c) { c.v = c.v.clone().fill_(std::nan("")); }, "must be finite"},
      {[](AttentionCase& c) { c.bank.k = c.bank.k.clone().fill_(std::nan("")); }, "must be finite"},
      {[](AttentionCase& c) { c.bank.v = c.bank.v.clone().fill_(kInfinite); }, "must be finite"},
  };
  for (const auto& [spoil, message] : cases)
    EXPECT_NE(MessageFor(spoil).find(message), std::string::npos) << message << "\n  got: " << MessageFor(spoil);
}

}  // namespace
}  // namespace lethe::memory
