// Gradients of the whole memory against finite differences, spans inside their ramps and both span losses included.

#include <gtest/gtest.h>

#include "memory/torch.h"
#include "tests/memory/close.h"
#include "tests/memory/memory_case.h"

namespace lethe::memory {
namespace {

using torch::Tensor;

/// A block over a bank, and one number that depends on all that Forward gives.
struct Problem {
  ExpireSpan core;
  StatePtr state;
  Tensor x, starts, weights;

  Tensor Loss() const {
    const BlockOutput out = core.Forward(x, starts, state);
    return (out.y * weights).sum() + 0.3 * out.span_mean.sum() +
           (out.ramp_sum * torch::tensor({0.1, -0.2, 0.3}, torch::kDouble)).sum();
  }
};

Problem MakeProblem(const ExpireSpanOptions& options, uint64_t seed, bool starts) {
  ExpireSpan core = RandomMemory(options, seed);
  const StatePtr state = RandomState(core, 3, 7, 20, 100, seed + 1);
  const Blocks blocks = RandomBlocks(1, 3, 6, options.dim, starts ? 0.15 : 0, seed + 2);
  const Tensor weights = torch::randn({3, 6, options.dim}, torch::kDouble);
  return {std::move(core), state, blocks.x[0].clone().requires_grad_(true), blocks.starts[0], weights};
}

Tensor FiniteDifference(const Problem& problem, Tensor x) {
  const torch::NoGradGuard no_grad;
  constexpr double kStep = 1e-6;
  Tensor difference = torch::zeros_like(x);
  double* at = x.data_ptr<double>();
  for (int64_t i = 0; i < x.numel(); ++i) {
    const double before = at[i];
    at[i] = before + kStep;
    const double above = problem.Loss().item<double>();
    at[i] = before - kStep;
    const double below = problem.Loss().item<double>();
    at[i] = before;
    difference.data_ptr<double>()[i] = (above - below) / (2 * kStep);
  }
  return difference;
}

void ExpectGradients(const Problem& problem) {
  problem.Loss().backward();
  for (const auto& parameter : problem.core.named_parameters())
    ExpectClose(parameter->grad(), FiniteDifference(problem, *parameter), 1e-7, parameter.key());
  ExpectClose(problem.x.grad(), FiniteDifference(problem, problem.x), 1e-7, "x");
}

ExpireSpanOptions TinyOptions() {
  ExpireSpanOptions o = SmallOptions();
  o.dim = 6, o.head_dim = 2, o.ffn = 5, o.span_limit = 16, o.ramp = 6;
  return o;
}

TEST(GradientExpireSpan, PostNorm) { ExpectGradients(MakeProblem(TinyOptions(), 1, true)); }

TEST(GradientExpireSpan, PreNormWithPreDivision) {
  ExpireSpanOptions options = TinyOptions();
  options.pre_norm = true, options.span_pre_division = 2;
  ExpectGradients(MakeProblem(options, 4, true));
}

TEST(GradientExpireSpan, PublishedModeWithShortening) {
  ExpireSpanOptions options = TinyOptions();
  options.published = true;
  Problem problem = MakeProblem(options, 7, false);
  problem.core.SetShortening(0.4);
  ExpectGradients(problem);
}

/// The gradient that the paper is about: of what was attended, by the span, through the ramp.
TEST(GradientExpireSpan, SpanBiasInsideTheRamp) {
  ExpireSpanOptions options = TinyOptions();
  options.layers = 1, options.ramp = 12;
  Problem problem = MakeProblem(options, 10, false);
  (problem.core.Forward(problem.x, problem.starts, problem.state).y * problem.weights).sum().backward();
  const Tensor bias = problem.core.layers()[0].span_bias;
  EXPECT_GT(bias.grad().abs().item<double>(), 1e-6);
}

/// Spans that are dead or full are flat: only what is on the ramp moves.
TEST(GradientExpireSpan, NoneOutsideTheRamp) {
  ExpireSpanOptions options = TinyOptions();
  options.ramp = 0.5;  // spans of 5.33 steps: at age 5 a memory is whole, at age 6 it is gone
  Problem problem = MakeProblem(options, 13, false);
  for (const TransformerLayer& layer : problem.core.layers()) {
    const torch::NoGradGuard no_grad;
    Tensor span = layer.span, bias = layer.span_bias;
    span.zero_(), bias.fill_(std::log(0.5));
  }
  const BlockOutput out = problem.core.Forward(problem.x, problem.starts, problem.state);
  EXPECT_EQ(out.ramp_sum.abs().max().item<double>(), 0);
  (out.y * problem.weights).sum().backward();
  for (const TransformerLayer& layer : problem.core.layers()) EXPECT_EQ(layer.span_bias.grad().item<double>(), 0);
}

}  // namespace
}  // namespace lethe::memory
