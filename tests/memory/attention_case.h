#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "memory/expire_attention.h"
#include "memory/kernels/dispatch.h"
#include "memory/torch.h"

namespace lethe::memory {

/// The builds of the kernels that this machine runs.
inline std::vector<Isa> RunnableBuilds() {
  std::vector<Isa> builds;
  for (const Isa isa : {Isa::kBaseline, Isa::kAvx2, Isa::kAvx512, Isa::kAvx512Bf16})
    if (isa <= DetectIsa()) builds.push_back(isa);
  return builds;
}

struct AttentionSizes {
  int64_t rows = 3, queries = 5, block = 5, heads = 2, head_dim = 4, positions = 4, longest = 9;
  double span_limit = 14;
  double age_limit = 14;        ///< largest age of a banked memory
  int64_t shortest = 0;         ///< > 0: no row has fewer memories in its bank, but for those of one age
  double episode_start = 0.15;  ///< probability that a step of the block starts an episode
  int64_t slack = 0;            ///< unused entries of the bank before, between and behind the rows
  AttentionConstants constants{2, 3, 0, std::numeric_limits<double>::infinity()};
};

/// One call of expire-attention, all in float64, and what flows back into it.
struct AttentionCase {
  AttentionSizes sizes;
  torch::Tensor q, k, v, span, episode_begin, position_keys;
  BankView bank;
  torch::Tensor grad_out, grad_ramp_sum;

  /// What gradients flow to, in a fixed order.
  std::vector<torch::Tensor> Leaves() const { return {q, k, v, span, bank.k, bank.v, bank.span, position_keys}; }
  static const std::vector<std::string>& LeafNames() {
    static const std::vector<std::string> names = {"q",      "k",      "v",         "span",
                                                   "bank.k", "bank.v", "bank.span", "position_keys"};
    return names;
  }
  void SetLeaves(const std::vector<torch::Tensor>& x) {
    q = x[0], k = x[1], v = x[2], span = x[3], bank.k = x[4], bank.v = x[5], bank.span = x[6], position_keys = x[7];
  }
  /// Copies of the leaves that ask for gradients, spans in float64 whatever the rest.
  AttentionCase As(torch::Dtype dtype) const {
    AttentionCase c = *this;
    std::vector<torch::Tensor> leaves;
    for (size_t i = 0; i < Leaves().size(); ++i)
      leaves.push_back(Leaves()[i].detach().to(i == 3 || i == 6 ? torch::kDouble : dtype).clone().requires_grad_(true));
    c.SetLeaves(leaves);
    c.grad_out = grad_out.to(dtype);
    return c;
  }
};

using AttentionFunction = AttentionOutput (*)(const AttentionCase&);

inline AttentionOutput Fused(const AttentionCase& c) {
  return ExpireAttention(c.q, c.k, c.v, c.span, c.episode_begin, c.bank, c.position_keys, c.sizes.constants, true);
}
inline AttentionOutput Dense(const AttentionCase& c) {
  return ExpireAttentionDense(c.q, c.k, c.v, c.span, c.episode_begin, c.bank, c.position_keys, c.sizes.constants);
}

/// One number that depends on everything differentiable.
inline torch::Tensor Loss(const AttentionCase& c, const AttentionOutput& a) {
  return (a.out * c.grad_out).sum().to(torch::kDouble) + (a.ramp_sum * c.grad_ramp_sum).sum();
}

struct AttentionResult {
  AttentionOutput output;
  std::vector<torch::Tensor> gradients;  ///< of Loss, in the order of Leaves
};

/// Output and gradients, computed in `dtype`.
inline AttentionResult Differentiate(const AttentionCase& given, torch::Dtype dtype, AttentionFunction attention) {
  const AttentionCase c = given.As(dtype);
  AttentionResult result{attention(c), {}};
  Loss(c, result.output).backward();
  for (const torch::Tensor& leaf : c.Leaves())
    result.gradients.push_back(leaf.grad().defined() ? leaf.grad() : torch::zeros_like(leaf));
  return result;
}

/// Random ragged memories: uneven counts, some rows empty, ages with gaps, spans from dead to wide.
inline AttentionCase RandomCase(uint64_t seed, AttentionSizes s) {
  std::mt19937_64 random(seed);
  const auto uniform = [&] { return std::uniform_real_distribution<double>(0, 1)(random); };
  const auto whole = [&](int64_t from, int64_t to) { return std::uniform_int_distribution<int64_t>(from, to)(random); };
  const auto normal = [&](std::vector<int64_t> shape) {
    torch::Tensor x = torch::empty(shape, torch::kDouble);
    for (int64_t i = 0; i < x.numel(); ++i) x.data_ptr<double>()[i] = std::normal_distribution<double>()(random);
    return x;
  };
  const auto spans = [&](std::vector<int64_t> shape) {
    torch::Tensor x = torch::empty(shape, torch::kDouble);
    for (int64_t i = 0; i < x.numel(); ++i) x.data_ptr<double>()[i] = uniform() * s.span_limit;
    return x;
  };
  s.constants.heads = s.heads;
  AttentionCase c;
  c.sizes = s;
  const int64_t width = s.heads * s.head_dim;
  c.q = normal({s.rows, s.queries, width});
  c.k = normal({s.rows, s.block, width});
  c.v = normal({s.rows, s.block, width});
  c.span = spans({s.rows, s.block});
  c.position_keys = normal({s.head_dim, s.positions});
  c.grad_out = normal({s.rows, s.queries, width});
  c.grad_ramp_sum = normal({s.rows});
  c.episode_begin = torch::full({s.rows, s.block}, -1, torch::kInt);
  for (int64_t row = 0; row < s.rows; ++row)
    for (int64_t t = 0, begin = -1; t < s.block; ++t) {
      if (uniform() < s.episode_start) begin = t;
      c.episode_begin[row][t] = static_cast<int32_t>(begin);
    }
  std::vector<int64_t> begins, counts, ages(static_cast<size_t>(s.slack), 0);
  for (int64_t row = 0; row < s.rows; ++row) {
    std::vector<int64_t> mine;
    const int64_t least = s.shortest > 0 ? s.shortest : whole(0, 3) == 0 ? 0 : 1;
    for (int64_t n = least == 0 ? 0 : whole(least, s.longest); n > 0; --n)
      mine.push_back(1 + static_cast<int64_t>(std::pow(uniform(), 2) * s.age_limit));
    std::sort(mine.rbegin(), mine.rend());
    mine.erase(std::unique(mine.begin(), mine.end()), mine.end());
    begins.push_back(static_cast<int64_t>(ages.size()));
    counts.push_back(static_cast<int64_t>(mine.size()));
    ages.insert(ages.end(), mine.begin(), mine.end());
    ages.insert(ages.end(), static_cast<size_t>(s.slack), 0);
    c.bank.longest = std::max(c.bank.longest, counts.back());
  }
  const int64_t stored = static_cast<int64_t>(ages.size());
  c.bank.k = normal({stored, width});
  c.bank.v = normal({stored, width});
  c.bank.span = spans({stored});
  c.bank.age = torch::tensor(ages, torch::kLong);
  c.bank.begin = torch::tensor(begins, torch::kLong);
  c.bank.count = torch::tensor(counts, torch::kLong);
  return c;
}

}  // namespace lethe::memory
