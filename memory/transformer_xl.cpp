#include "memory/transformer_xl.h"

#include "memory/check.h"
#include "memory/registry.h"

namespace lethe::memory {

using torch::Tensor;

void TransformerXlOptions::Visit(OptionVisitor& visit) {
  TransformerOptions::Visit(visit);
  visit("memory_length", memory_length, 1, 1e6, "every step remembers the last so many steps L");
}

void TransformerXlOptions::Check() const {
  TransformerOptions::Check();
  CheckOption(memory_length >= 1, "memory_length", memory_length, ">= 1");
}

std::shared_ptr<Core> TransformerXlOptions::MakeBody() const { return std::make_shared<TransformerXl>(*this); }

TransformerXl::TransformerXl(const TransformerXlOptions& o)
    : BankedTransformer(std::make_shared<TransformerXlOptions>(o), o.memory_length) {}

Tensor TransformerXl::Spans(const TransformerLayer&, const Tensor& g) const {
  return torch::full(g.sizes().slice(0, g.dim() - 1), static_cast<double>(options().memory_length),
                     g.options().dtype(torch::kDouble).requires_grad(false));
}

std::optional<SpanRule> TransformerXl::RuleOfSpans(const TransformerLayer&) const {
  return SpanRule{{}, 0, 1, static_cast<double>(options().memory_length)};
}

AttentionConstants TransformerXl::Constants(Noise& noise) const {
  AttentionConstants c;
  c.heads = options().heads;
  c.ramp = 1;  // a span of L is whole at age L and gone at L + 1
  c.dropout = noise.is_on() ? options().dropout : 0;
  return c;
}

LETHE_REGISTER_CORE("transformer_xl", TransformerXlOptions, "Transformer-XL: every step remembers the last L steps");

}  // namespace lethe::memory
