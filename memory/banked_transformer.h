#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "memory/banked_state.h"
#include "memory/core.h"
#include "memory/expire_attention.h"
#include "memory/span_rule.h"
#include "memory/torch.h"
#include "memory/transformer_layer.h"

namespace lethe::memory {

/// A transformer whose layers each remember steps in a packed, ragged bank (banked_state.h). Cores differ in how long a
/// step lives: Expire-Span predicts it, Transformer-XL fixes it, Adaptive-Span learns it per head.
///
/// Memories are the layer's inputs; keys, values and spans are recomputed from them with the present weights once per
/// block. Gradients flow into the block's own steps; banked memories are constants, their projections are not.
/// Attention is strictly causal over ages >= 1 within an episode, and every row forgets on its own.
class BankedTransformer : public Core {
 public:
  int64_t dim() const override { return shared_->dim; }
  StatePtr Start(int64_t rows) const override;
  BlockOutput Forward(const torch::Tensor& x, const torch::Tensor& episode_start, const StatePtr& state,
                      int64_t lookahead = 0, bool want_state = false, uint64_t noise = 0,
                      const Between& between = {}) const override;
  std::unique_ptr<Stepper> Begin(const StatePtr& state, int64_t steps, Between between = {}) const override;
  StatePtr Restore(const TensorMap& saved) const override;
  StatePtr Gather(const StatePtr& state, const std::vector<int64_t>& rows) const override;
  Flops CountFlops(int64_t block, double living) const override;

  /// What a test or viewer wants to see of each layer of one block.
  struct LayerPass {
    torch::Tensor attention;        ///< [B, T, H] after the out projection
    torch::Tensor y;                ///< [B, T, H]
    torch::Tensor span, bank_span;  ///< [B, T], [N] f64
    AttentionOutput detail;
  };
  using LayerPasses = std::vector<LayerPass>;
  /// Forward, with the layers' details (attention weights included) in `passes`.
  BlockOutput ForwardTraced(const torch::Tensor& x, const torch::Tensor& episode_start, const StatePtr& state,
                            int64_t lookahead, bool want_state, LayerPasses* passes, uint64_t noise = 0,
                            const Between& between = {}) const;

  const TransformerOptions& shared() const { return *shared_; }
  const TransformerStack& stack() const { return stack_; }
  const std::vector<TransformerLayer>& layers() const { return stack_.layers(); }
  const torch::Tensor& position_keys() const { return position_keys_; }  ///< [1, D, M]; M = 0 with rotary positions

  /// True for cores whose spans come from what is remembered, so that they can be charged.
  virtual bool PredictsSpans() const { return false; }
  /// Spans in steps of attention inputs g [..., H] -> [...] f64: how long a step is remembered. Both faces use it.
  virtual torch::Tensor Spans(const TransformerLayer& layer, const torch::Tensor& g) const = 0;
  /// What a charge on spans counts: the spans themselves, or what they grow with.
  virtual torch::Tensor Charged(const torch::Tensor& span) const { return span; }
  /// The rule that Spans follows where it is one of this kind and all heads of a layer share the span: what the fused
  /// stepper asks for. None: the memory is stepped in tensor operators.
  virtual std::optional<SpanRule> RuleOfSpans(const TransformerLayer& layer) const { return std::nullopt; }
  /// Constants of attention; `noise` draws what training shortens and drops.
  virtual AttentionConstants Constants(Noise& noise) const = 0;
  /// Attention of one layer; heads that do not share their spans override it.
  virtual AttentionOutput Attend(const TransformerLayer& layer, const torch::Tensor& q, const torch::Tensor& k,
                                 const torch::Tensor& v, const torch::Tensor& span, const torch::Tensor& episode_begin,
                                 const BankView& bank, const AttentionConstants& constants, bool want_weights) const;
  /// The bank after a block: what is alive at the next step. block_span [B, T] and bank_span [N] f64.
  virtual Bank Expire(const Bank& bank, const torch::Tensor& bank_span, const torch::Tensor& block,
                      const torch::Tensor& block_span, const torch::Tensor& clock,
                      const torch::Tensor& episode_begin) const;

  /// Queries [B, T, KD], keys and values [B, T, KD] of steps at `time` [T] i64 (from the block's first), rotated if the
  /// options say so.
  struct Projections {
    torch::Tensor q, k, v;
  };
  Projections Project(const TransformerLayer& layer, const torch::Tensor& g, const torch::Tensor& time) const;
  /// Keys, values, spans and ages of a bank with the present weights.
  virtual BankView ProjectBank(const TransformerLayer& layer, const Bank& bank, const torch::Tensor& clock) const;

 protected:
  /// positions: learned ages when the options leave it open. Errors: std::invalid_argument naming the option.
  BankedTransformer(std::shared_ptr<const TransformerOptions> options, int64_t positions);

  /// Zero vectors that every row remembers at its start in published mode.
  virtual int64_t PublishedZeros() const = 0;
  /// A loss of the core's own, scalar f64; undefined: none.
  virtual torch::Tensor AuxLoss() const { return {}; }

  TransformerStack stack_;

 private:
  struct Pass;
  torch::Tensor RunLayer(const TransformerLayer& layer, const torch::Tensor& x, Pass& pass) const;

  const std::shared_ptr<const TransformerOptions> shared_;
  torch::Tensor position_keys_;
};

/// [B, T] u8 -> [B, T] i32: the block step at which each step's episode began; -1: before the block.
torch::Tensor EpisodeBegin(const torch::Tensor& episode_start);

}  // namespace lethe::memory
