#pragma once

#include <memory>
#include <vector>

#include "memory/core.h"
#include "memory/expire_span.h"
#include "memory/published_expire_span.h"
#include "memory/torch.h"

namespace lethe::tools {

/// Sets the span predictors so that every step's span is `fraction` of the limit, whatever the step.
void PinSpans(memory::ExpireSpan& core, double fraction);

/// An Expire-Span whose rows have spans of their own: the predicted ones times a number of the row. Bank memories are
/// those of a state with `counts` memories a row.
class RowSpans : public memory::ExpireSpan {
 public:
  RowSpans(const memory::ExpireSpanOptions& options, const std::vector<double>& scale);
  void SetCounts(const torch::Tensor& counts) { counts_ = counts; }
  torch::Tensor Spans(const memory::TransformerLayer& layer, const torch::Tensor& g) const override;
  std::optional<memory::SpanRule> RuleOfSpans(const memory::TransformerLayer&) const override { return std::nullopt; }

 private:
  const torch::Tensor scale_;  // [B] f64
  torch::Tensor counts_;       // [B] i64
};

/// The same of the published algorithm, which has no ragged rows.
class PublishedRowSpans : public memory::PublishedExpireSpan {
 public:
  PublishedRowSpans(const memory::ExpireSpan& core, const std::vector<double>& scale);

 protected:
  torch::Tensor Spans(const memory::TransformerLayer& layer, const torch::Tensor& g) const override;

 private:
  const torch::Tensor scale_;  // [B]
};

/// Ages that rows of a banked core remember for ever, from its spans, ramp and window: [B] i64.
torch::Tensor Reach(const memory::BankedTransformer& core, int64_t rows);

/// Rows that remember random steps as they do in the long run. Banked cores are filled at once, others by blocks of
/// noise until they hold no more.
memory::StatePtr SteadyState(const memory::Core& core, int64_t rows, int64_t block);

/// The same of the published algorithm: whole blocks, as many for all rows as the longest reach of `core` needs.
memory::PublishedState SteadyPublishedState(const memory::ExpireSpan& core, int64_t rows);

}  // namespace lethe::tools
