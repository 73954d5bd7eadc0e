#pragma once

#include <torch/torch.h>

#include <memory>
#include <vector>

#include "memory/core.h"
#include "memory/expire_attention.h"
#include "memory/expire_span_state.h"

namespace lethe::memory {

/// Sizes and constants. Letters of the paper in brackets.
struct ExpireSpanOptions {
  int64_t layers = 2;
  int64_t dim = 64;        ///< [H] width of the stream
  int64_t heads = 4;       ///< [K]
  int64_t head_dim = 16;   ///< [D]; heads * head_dim need not be dim
  int64_t ffn = 256;       ///< [F]
  double span_limit = 256; ///< [L] steps
  double ramp = 8;         ///< [R] steps, > 0
  double initial_span = 0.75;  ///< spans start at this share of span_limit; in (0, 1)
  int64_t positions = 32;  ///< [M] the nearest ages with a learned position; usually the unroll length
  bool pre_norm = false;
  double span_pre_division = 1;  ///< [delta] divides the span predictor's product
  /// The published algorithm where it differs from ours: M zero vectors at the start, 1e-8 in the denominator, memories
  /// dropped in whole blocks of M that every row has forgotten. Episode starts inside a block are refused.
  bool published = false;
};

/// Expire-Span Transformer: every step predicts, per layer, for how long it is worth remembering, and is deleted after.
///
/// Layer (post-norm): y = LN1(x + Wo A(x)), out = LN2(y + FF(y)); pre-norm: y = x + Wo A(LN1 x), out = y + FF(LN2 y),
/// and a final norm. A is expire-attention; span e = L sigmoid(w . g / delta + b), g the attention's input.
/// Memories are the layer's inputs; keys, values and spans are recomputed from them with the present weights once per
/// block. Gradients flow into the block's own steps; banked memories are constants, their projections are not.
/// Parameters: layers.l.query, ..., layers.l.span_bias (struct Layer below lists them) and position_keys.
/// Source: arXiv:2105.06548. Differs: strictly causal over ages >= 1 within an episode, no epsilon, ragged rows.
class ExpireSpan : public Core {
 public:
  /// Errors: std::invalid_argument naming the option, its value and the allowed range.
  explicit ExpireSpan(const ExpireSpanOptions& options);

  /// Errors of all that takes tensors or a state: std::invalid_argument naming shapes, types and rows that do not fit.
  StatePtr Start(int64_t rows) const override;
  BlockOutput Forward(const torch::Tensor& x, const torch::Tensor& episode_start, const StatePtr& state,
                      int64_t lookahead = 0, bool want_state = false) const override;
  std::unique_ptr<Stepper> Begin(const StatePtr& state, int64_t steps) const override;
  StatePtr Restore(const TensorMap& saved) const override;
  StatePtr Gather(const StatePtr& state, const std::vector<int64_t>& rows) const override;

  /// What a test or viewer wants to see of each layer of one block.
  struct LayerPass {
    torch::Tensor attention;  ///< [B, T, H] after the out projection
    torch::Tensor y;          ///< [B, T, H]
    torch::Tensor span, bank_span;  ///< [B, T], [N] f64
    AttentionOutput detail;
  };
  using LayerPasses = std::vector<LayerPass>;
  /// Forward, with the layers' details (attention weights included) in `passes`.
  BlockOutput ForwardTraced(const torch::Tensor& x, const torch::Tensor& episode_start, const StatePtr& state,
                            int64_t lookahead, bool want_state, LayerPasses* passes) const;

  /// Random shortening of published training: spans are cut to fraction * L in the mask. 1 switches it off.
  void SetShortening(double fraction) { shortening_ = fraction; }

  /// Parameters of one layer.
  struct Layer {
    torch::Tensor query, key_value, out;                 ///< [KD, H], [2 KD, H], [H, KD]
    torch::Tensor ff1, ff1_bias, ff2, ff2_bias;          ///< [F, H], [F], [H, F], [H]
    torch::Tensor norm1, norm1_bias, norm2, norm2_bias;  ///< [H]
    torch::Tensor span, span_bias;                       ///< [1, H], [1]
  };
  const ExpireSpanOptions& options() const { return options_; }
  const std::vector<Layer>& layers() const { return layers_; }
  const torch::Tensor& position_keys() const { return position_keys_; }  ///< [1, D, M]
  const torch::Tensor& out_norm() const { return out_norm_; }            ///< [H], pre-norm only
  const torch::Tensor& out_norm_bias() const { return out_norm_bias_; }

  /// Spans in steps of attention inputs g [..., H] -> [...] f64. Both faces use this one function.
  torch::Tensor Spans(const Layer& layer, const torch::Tensor& g) const;
  /// A layer's attention input: LN1 of x with pre-norm, x itself with post-norm.
  torch::Tensor AttentionInput(const Layer& layer, const torch::Tensor& x) const;
  /// The rest of a layer after attention: residuals, norms, feed-forward. attended [..., KD].
  torch::Tensor FinishLayer(const Layer& layer, const torch::Tensor& x, const torch::Tensor& attended) const;
  /// Final norm of pre-norm; identity otherwise.
  torch::Tensor FinishStack(const torch::Tensor& x) const;
  /// Keys, values, spans and ages of a bank with the present weights.
  BankView Project(const Layer& layer, const Bank& bank, const torch::Tensor& clock) const;
  /// The bank after a block: what is alive at the next step. block_span [B, T] and bank_span [N] f64.
  Bank Expire(const Bank& bank, const torch::Tensor& bank_span, const torch::Tensor& block, const torch::Tensor& block_span,
              const torch::Tensor& clock, const torch::Tensor& episode_begin) const;
  AttentionConstants constants() const;

 private:
  const ExpireSpanOptions options_;
  std::vector<Layer> layers_;
  torch::Tensor position_keys_, out_norm_, out_norm_bias_;
  double shortening_ = 1;
};

/// [B, T] u8 -> [B, T] i32: the block step at which each step's episode began; -1: before the block.
torch::Tensor EpisodeBegin(const torch::Tensor& episode_start);

/// The saved state as ExpireSpanState. Errors: std::invalid_argument if it belongs to another kind of memory.
const ExpireSpanState& AsExpireSpanState(const StatePtr& state);

}  // namespace lethe::memory
