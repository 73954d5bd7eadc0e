#include "memory/expire_span.h"

#include <cmath>

#include "memory/check.h"
#include "memory/kernels/span_mask.h"
#include "memory/registry.h"

namespace lethe::memory {

using torch::Tensor;

void ExpireSpanOptions::Visit(OptionVisitor& visit) {
  TransformerOptions::Visit(visit);
  visit("span_limit", span_limit, 1, 1e9, "longest span L, steps");
  visit("ramp", ramp, 1, 1e6, "a memory fades out over this many steps R after its span");
  visit("initial_span", initial_span, 1e-6, 0.999999, "spans start at this share of span_limit");
  visit("span_pre_division", span_pre_division, 1e-3, 1e6, "divides the span predictor's product; for large span_limit");
  visit("random_shortening", random_shortening, "training cuts spans to a random share of span_limit, anew for every block");
}

void ExpireSpanOptions::Check() const {
  TransformerOptions::Check();
  CheckOption(span_limit > 0, "span_limit", span_limit, "> 0");
  CheckOption(ramp > 0, "ramp", ramp, "> 0");
  CheckOption(initial_span > 0 && initial_span < 1, "initial_span", initial_span, "between 0 and 1, exclusive");
  CheckOption(span_pre_division > 0, "span_pre_division", span_pre_division, "> 0");
}

std::shared_ptr<Core> ExpireSpanOptions::Make() const { return std::make_shared<ExpireSpan>(*this); }

ExpireSpan::ExpireSpan(const ExpireSpanOptions& o) : BankedTransformer(std::make_shared<ExpireSpanOptions>(o), o.block) {
  for (size_t l = 0; l < layers().size(); ++l) {
    TransformerLayer& layer = stack_.layers()[l];
    layer.span = stack_.Add(l, "span", torch::zeros({1, o.dim}));
    layer.span_bias = stack_.Add(l, "span_bias", torch::full({1}, -std::log(1 / o.initial_span - 1)));
  }
}

Tensor ExpireSpan::Spans(const TransformerLayer& layer, const Tensor& g) const {
  const Tensor product = torch::matmul(g.to(torch::kDouble), layer.span.to(torch::kDouble).squeeze(0));
  return (product / options().span_pre_division + layer.span_bias.to(torch::kDouble)).sigmoid() * options().span_limit;
}

AttentionConstants ExpireSpan::Constants(Noise& noise) const {
  AttentionConstants c;
  c.heads = options().heads;
  c.ramp = options().ramp;
  c.epsilon = options().published ? 1e-8 : 0;
  c.dropout = noise.is_on() ? options().dropout : 0;
  const double fraction = options().random_shortening ? noise.Uniform() : shortening_;
  if (fraction < 1) c.shorten = fraction * options().span_limit;
  return c;
}

Bank ExpireSpan::Expire(const Bank& bank, const Tensor& bank_span, const Tensor& block, const Tensor& block_span,
                        const Tensor& clock, const Tensor& episode_begin) const {
  if (options().published) return ExpireAsPublished(bank, bank_span, block, clock);
  return BankedTransformer::Expire(bank, bank_span, block, block_span, clock, episode_begin);
}

Bank ExpireSpan::ExpireAsPublished(const Bank& bank, const Tensor& bank_span, const Tensor& block, const Tensor& clock) const {
  const int64_t rows = block.size(0), steps = block.size(1);
  const Tensor span = bank_span.cpu().contiguous();
  std::vector<KeptRow> kept(static_cast<size_t>(rows));
  std::vector<std::vector<char>> dead(static_cast<size_t>(rows));
  for (int64_t row = 0; row < rows; ++row) {
    KeptRow& keep = kept[static_cast<size_t>(row)];
    const int64_t now = clock[row].item<int64_t>() + steps, first = bank.begin[row].item<int64_t>();
    for (int64_t i = first; i < first + bank.count[row].item<int64_t>(); ++i) {
      const auto age = static_cast<double>(now - bank.time.const_data_ptr<int64_t>()[i]);
      dead[static_cast<size_t>(row)].push_back(!(SpanMask(span.const_data_ptr<double>()[i] - age, options().ramp) > 0));
      keep.banked.push_back(i);
    }
    for (int64_t t = 0; t < steps; ++t) keep.steps.push_back(t);
  }
  DropWholeBlocks(dead, position_keys().size(2), kept);
  return Repack(bank, block, clock, kept);
}

LETHE_REGISTER_CORE("expire_span", ExpireSpanOptions, "Expire-Span: every step predicts how long it is remembered");

}  // namespace lethe::memory
