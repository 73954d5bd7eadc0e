#pragma once

#include <vector>

#include "memory/expire_span.h"
#include "memory/torch.h"

namespace lethe::memory {

/// What B rows remember in the published algorithm: equally many memories for all rows, whoever has forgotten what.
struct PublishedState {
  struct Layer {
    torch::Tensor hidden;    ///< [B, n, H] inputs of the layer
    torch::Tensor distance;  ///< [B, n] i64: steps from the next block's first query back to the memory
  };
  std::vector<Layer> layers;

  int64_t bytes() const;
};

/// The published Expire-Span algorithm, operator by operator: what `lethe bench memory` compares with, and a second
/// opinion for the tests. A block starts from zero vectors; keys and values of all memories are projected again; masks
/// and scores are materialised as [B, heads, M, n]; memories leave in whole blocks that every row has forgotten.
///
/// Written from the formulas of the paper, for clarity: nothing is fused, gradients are autograd's own. A query that
/// sees nothing gives NaN, as published; ExpireSpan gives zero. Dropout, gates and rotary positions are left out.
/// Threads: pure. Source: arXiv:2105.06548.
class PublishedExpireSpan {
 public:
  /// Computes with the parameters of `core`, which must outlive this. Blocks have M steps, as many as learned
  /// positions. Errors: std::invalid_argument if the core has gates or rotary positions.
  explicit PublishedExpireSpan(const ExpireSpan& core);
  virtual ~PublishedExpireSpan() = default;

  /// M zero vectors at distances M .. 1.
  PublishedState Start(int64_t rows) const;

  struct Output {
    torch::Tensor y;         ///< [B, M, H]
    torch::Tensor ramp_sum;  ///< [B]: remaining spans summed over pairs on the ramp and over layers
    PublishedState state;    ///< after the block, without gradients
  };
  /// x [B, M, H] of the parameters' type. Errors: std::invalid_argument if the sizes do not fit.
  Output Forward(const torch::Tensor& x, const PublishedState& before) const;

 protected:
  /// Spans in steps of attention inputs g [B, n, H] -> [B, n].
  virtual torch::Tensor Spans(const TransformerLayer& layer, const torch::Tensor& g) const;

 private:
  torch::Tensor Attend(const TransformerLayer& layer, const torch::Tensor& query_input, const torch::Tensor& g,
                       const torch::Tensor& remaining) const;
  torch::Tensor PositionScores(const torch::Tensor& q, int64_t memories) const;
  PublishedState::Layer DropExpired(const PublishedState::Layer& all, const torch::Tensor& span, int64_t own) const;
  torch::Tensor ByHead(const torch::Tensor& x) const;

  const ExpireSpan& core_;
  const int64_t heads_, head_dim_, block_;
  const double ramp_;
  const bool pre_norm_;
};

}  // namespace lethe::memory
