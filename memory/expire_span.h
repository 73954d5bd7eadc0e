#pragma once

#include "memory/banked_transformer.h"

namespace lethe::memory {

/// Letters of the paper in brackets.
struct ExpireSpanOptions : TransformerOptions {
  double span_limit = 256;            ///< [L] steps
  double ramp = 8;                    ///< [R] steps, > 0
  double initial_span = 0.75;         ///< spans start at this share of span_limit; in (0, 1)
  std::string span_scale = "linear";  ///< or logarithmic, ours: a step of the sigmoid's argument changes a span by a
                                      ///< factor, so that long limits leave room for short spans
  double span_pre_division = 1;       ///< [delta] divides the span predictor's product
  bool random_shortening = false;     ///< training cuts spans to u L in the mask, u uniform per block

  void Visit(OptionVisitor& visit) override;
  void Check() const override;
  std::shared_ptr<Core> MakeBody() const override;
  double Ramp() const override { return ramp; }
  /// The shortest span there is: 0, or R on a logarithmic scale.
  double LeastSpan() const { return span_scale == "logarithmic" ? ramp : 0; }
  double LeastMemories() const override { return LeastSpan() + ramp - 1; }
  bool CanStretchSpans() const override { return LeastSpan() == 0; }
};

/// The sigmoid s [...] of spans [...] f64 with this limit and shortest span (0: linear), and the way back.
torch::Tensor SharesOf(const torch::Tensor& span, double limit, double least);
torch::Tensor SpansOf(const torch::Tensor& share, double limit, double least);

/// Expire-Span Transformer: every step predicts, per layer, for how long it is worth remembering, and is deleted after.
/// Span e = L s, s = sigmoid(w . g / delta + b), g the attention's input; on a logarithmic scale e = R (L / R)^s; mask
/// m = clamp(1 + (e - age) / R, 0, 1). Parameters: layers.l.query, ..., layers.l.span, layers.l.span_bias (struct
/// TransformerLayer) and position_keys. Source: arXiv:2105.06548. Differs: strictly causal over ages >= 1 within an
/// episode, no epsilon, ragged rows.
class ExpireSpan : public BankedTransformer {
 public:
  /// Errors: std::invalid_argument naming the option, its value and the allowed range.
  explicit ExpireSpan(const ExpireSpanOptions& options);

  const ExpireSpanOptions& options() const { return static_cast<const ExpireSpanOptions&>(shared()); }
  bool PredictsSpans() const override { return true; }
  torch::Tensor Spans(const TransformerLayer& layer, const torch::Tensor& g) const override;
  std::optional<SpanRule> RuleOfSpans(const TransformerLayer& layer) const override;
  /// The span; L s on a logarithmic scale.
  torch::Tensor Charged(const torch::Tensor& span) const override;
  AttentionConstants Constants(Noise& noise) const override;
  /// In published mode: dead memories leave in whole blocks of M that every row has.
  Bank Expire(const Bank& bank, const torch::Tensor& bank_span, const torch::Tensor& block,
              const torch::Tensor& block_span, const torch::Tensor& clock,
              const torch::Tensor& episode_begin) const override;

  void RestartSpans(double share_of_limit) override;
  /// By the predictor's bias: far below the limit, a sigmoid is an exponential. Only on a linear scale.
  void StretchSpans(double factor) override;
  /// By multiplying the sigmoid's argument. The same.
  void SharpenSpans(double factor) override;
  /// span_bias with which all spans are this share of L. Errors: std::invalid_argument if no bias gives that span.
  double BiasOf(double share_of_limit) const;

  /// Fixes the random shortening, for comparisons: spans are cut to fraction * L in the mask. 1 switches it off.
  void SetShortening(double fraction) { shortening_ = fraction; }

 protected:
  int64_t PublishedZeros() const override { return position_keys().size(2); }

 private:
  Bank ExpireAsPublished(const Bank& bank, const torch::Tensor& bank_span, const torch::Tensor& block,
                         const torch::Tensor& clock) const;

  double shortening_ = 1;
};

}  // namespace lethe::memory
