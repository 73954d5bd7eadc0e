#pragma once

#include "memory/banked_transformer.h"

namespace lethe::memory {

/// Letters of the paper in brackets.
struct TransformerXlOptions : TransformerOptions {
  int64_t memory_length = 128;  ///< [L] steps: every step remembers the last L, and nothing older

  void Visit(OptionVisitor& visit) override;
  void Check() const override;
  std::shared_ptr<Core> MakeBody() const override;
};

/// Transformer-XL: a window of fixed length over the past of the episode. Every step lives for exactly L ages, so a row
/// holds min(L, steps of its episode) memories, and each age has a learned key unless `positions` says fewer.
/// Source: arXiv:1901.02860. Differs: one key per age instead of sinusoids with two biases, as in arXiv:2105.06548;
/// strictly causal within an episode; any block length.
class TransformerXl : public BankedTransformer {
 public:
  /// Errors: std::invalid_argument naming the option, its value and the allowed range.
  explicit TransformerXl(const TransformerXlOptions& options);

  const TransformerXlOptions& options() const { return static_cast<const TransformerXlOptions&>(shared()); }
  torch::Tensor Spans(const TransformerLayer& layer, const torch::Tensor& g) const override;
  std::optional<SpanRule> RuleOfSpans(const TransformerLayer& layer) const override;
  AttentionConstants Constants(Noise& noise) const override;

 protected:
  int64_t PublishedZeros() const override { return options().memory_length; }
};

}  // namespace lethe::memory
