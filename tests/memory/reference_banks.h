#pragma once

#include "memory/banked_transformer.h"
#include "memory/kernels/span_mask.h"
#include "memory/torch.h"
#include "tests/memory/reference_check.h"

namespace lethe::memory {

/// Steps from the block's first query back to each memory, the published `distance`: bank, then 0, -1, .. for the
/// block.
inline torch::Tensor Distances(const BankedState& state, const Bank& bank, int64_t steps) {
  const torch::Tensor age = state.clock().unsqueeze(1) - bank.time.view({state.rows(), -1});
  return torch::cat({age, -torch::arange(steps, torch::kLong).expand({state.rows(), steps})}, 1);
}

/// What a layer keeps for the next block, [B, n, H]: every row equally much.
inline torch::Tensor KeptHidden(const StatePtr& state, size_t layer) {
  const torch::Tensor& hidden = AsBankedState(state).banks()[layer].hidden;
  return hidden.view({state->rows(), -1, hidden.size(1)});
}

/// Masks of remaining spans by the production function.
inline torch::Tensor MaskOf(const torch::Tensor& remaining, double ramp) {
  torch::Tensor mask = remaining.detach().to(torch::kDouble).contiguous().clone();
  double* m = mask.data_ptr<double>();
  for (int64_t i = 0; i < mask.numel(); ++i) m[i] = SpanMask(m[i], ramp);
  return mask;
}

/// Weights [B, K, M, n] over all memories -> [B, K, M, W] over the window's places, age W first.
inline torch::Tensor WindowWeights(const torch::Tensor& weights, int64_t window) {
  const int64_t steps = weights.size(2), banked = weights.size(3) - steps;
  std::vector<torch::Tensor> rows;
  for (int64_t t = 0; t < steps; ++t) rows.push_back(weights.select(2, t).slice(2, banked + t - window, banked + t));
  return torch::stack(rows, 2);
}

}  // namespace lethe::memory
