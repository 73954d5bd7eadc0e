#pragma once

#include "memory/banked_transformer.h"

namespace lethe::memory {

/// Letters of the paper in brackets.
struct AdaptiveSpanOptions : TransformerOptions {
  int64_t span_limit = 256;  ///< [L] steps: no age beyond is ever seen
  double ramp = 32;          ///< [R] steps, > 0
  double initial_ratio = 0;  ///< [z] spans start at z L + 1; in [0, 1]
  bool per_layer = false;    ///< one span for all heads of a layer
  double span_loss = 2e-6;   ///< [beta] weight of the span loss: beta L mean(z) per layer
  int64_t trim_step = 64;    ///< published mode: the window is cut by multiples of this
  bool cache = false;        ///< published mode: what the window leaves out is not kept either, but for 64 states

  void Visit(OptionVisitor& visit) override;
  void Check() const override;
  std::shared_ptr<Core> MakeBody() const override;
};

/// Adaptive-Span: every head (or layer) learns how far back it looks. Span e = z L + 1 with z in [0, 1] a parameter;
/// mask m = clamp(1 + (e - age) / R, 0, 1) over ages 1..L. A layer remembers what its widest head can see, so memory
/// and compute follow the learned spans and not L; what has been dropped stays dropped when a span grows later.
/// Parameters: those of BankedTransformer and layers.l.span_ratio [K] or [1].
/// Source: arXiv:1905.07799. Differs: strictly causal over ages >= 1 within an episode, no epsilon, memories are
/// dropped by age and not in steps of a window. `published` restores the published window, zero start and epsilon.
class AdaptiveSpan : public BankedTransformer {
 public:
  /// Errors: std::invalid_argument naming the option, its value and the allowed range.
  explicit AdaptiveSpan(const AdaptiveSpanOptions& options);

  const AdaptiveSpanOptions& options() const { return static_cast<const AdaptiveSpanOptions&>(shared()); }
  /// The widest head's span, for all steps alike: it decides what lives.
  torch::Tensor Spans(const TransformerLayer& layer, const torch::Tensor& g) const override;
  AttentionConstants Constants(Noise& noise) const override;
  AttentionOutput Attend(const TransformerLayer& layer, const torch::Tensor& q, const torch::Tensor& k,
                         const torch::Tensor& v, const torch::Tensor& span, const torch::Tensor& episode_begin,
                         const BankView& bank, const AttentionConstants& constants, bool want_weights) const override;
  /// In published mode: the last states, whatever their age.
  Bank Expire(const Bank& bank, const torch::Tensor& bank_span, const torch::Tensor& block,
              const torch::Tensor& block_span, const torch::Tensor& clock,
              const torch::Tensor& episode_begin) const override;
  /// In published mode: zeros in front of a cache that has become too short for the window.
  BankView ProjectBank(const TransformerLayer& layer, const Bank& bank, const torch::Tensor& clock) const override;
  /// Ratios: in [0, 1].
  std::vector<BoundedParameter> BoundedParameters() const override;
  void RestartSpans(double share_of_limit) override;

  /// Spans of a layer's heads in steps, [K] f64, with gradients to the ratios.
  torch::Tensor HeadSpans(const TransformerLayer& layer) const;
  /// Ages of the published window that are left out because every head's mask is 0 there.
  int64_t Trim(const TransformerLayer& layer) const;

 protected:
  int64_t PublishedZeros() const override { return options().span_limit; }
  torch::Tensor AuxLoss() const override;

 private:
  /// For the widest head's span: what published mode leaves out of its window, and how many states it keeps.
  int64_t TrimFor(double widest) const;
  int64_t PublishedKept(double widest) const;
};

}  // namespace lethe::memory
