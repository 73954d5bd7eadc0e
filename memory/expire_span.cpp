#include "memory/expire_span.h"

#include <ATen/Dispatch.h>

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
  visit("span_scale", span_scale, {"linear", "logarithmic"},
        "spans grow with the predictor's sigmoid from 0 to span_limit, or geometrically from ramp to span_limit");
  visit("span_pre_division", span_pre_division, 1e-3, 1e6,
        "divides the span predictor's product; for large span_limit");
  visit("random_shortening", random_shortening,
        "training cuts spans to a random share of span_limit, anew for every block");
}

void ExpireSpanOptions::Check() const {
  TransformerOptions::Check();
  CheckOption(span_limit > 0, "span_limit", span_limit, "> 0");
  CheckOption(ramp > 0, "ramp", ramp, "> 0");
  CheckOption(initial_span > 0 && initial_span < 1, "initial_span", initial_span, "between 0 and 1, exclusive");
  CheckOption(span_scale == "linear" || span_scale == "logarithmic", "span_scale", span_scale, "linear, logarithmic");
  if (span_scale == "logarithmic") {
    CheckOption(span_limit > ramp, "span_limit", span_limit, "> ramp on a logarithmic scale");
    CheckOption(initial_span * span_limit > ramp, "initial_span", initial_span,
                "more than ramp / span_limit on a logarithmic scale");
    CheckOption(!published, "span_scale", span_scale, "linear in published mode");
  }
  CheckOption(span_pre_division > 0, "span_pre_division", span_pre_division, "> 0");
}

std::shared_ptr<Core> ExpireSpanOptions::MakeBody() const { return std::make_shared<ExpireSpan>(*this); }

ExpireSpan::ExpireSpan(const ExpireSpanOptions& o)
    : BankedTransformer(std::make_shared<ExpireSpanOptions>(o), o.block) {
  for (size_t l = 0; l < layers().size(); ++l) {
    TransformerLayer& layer = stack_.layers()[l];
    layer.span = stack_.Add(l, "span", torch::zeros({1, o.dim}));
    layer.span_bias = stack_.Add(l, "span_bias", torch::full({1}, BiasOf(o.initial_span)));
  }
}

void ExpireSpan::RestartSpans(double share_of_limit) {
  const torch::NoGradGuard no_grad;
  const double bias = BiasOf(share_of_limit);
  for (const TransformerLayer& layer : layers()) {
    torch::Tensor(layer.span).zero_();
    torch::Tensor(layer.span_bias).fill_(bias);
  }
}

void ExpireSpan::StretchSpans(double factor) {
  if (options().LeastSpan() > 0) return Core::StretchSpans(factor);
  const torch::NoGradGuard no_grad;
  for (const TransformerLayer& layer : layers()) torch::Tensor(layer.span_bias).add_(std::log(factor));
}

void ExpireSpan::SharpenSpans(double factor) {
  if (options().LeastSpan() > 0) return Core::SharpenSpans(factor);
  const torch::NoGradGuard no_grad;
  for (const TransformerLayer& layer : layers()) {
    torch::Tensor(layer.span).mul_(factor);
    torch::Tensor(layer.span_bias).mul_(factor);
  }
}

Tensor SharesOf(const Tensor& span, double limit, double least) {
  return least == 0 ? span / limit : (span / least).log() / std::log(limit / least);
}

Tensor SpansOf(const Tensor& share, double limit, double least) {
  return least == 0 ? share * limit : (share * std::log(limit / least)).exp() * least;
}

namespace {

/// Spans of g [N, H] without a copy of g in double: a bank may hold many memories.
struct SpanFunction : torch::autograd::Function<SpanFunction> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& g, const Tensor& weight,
                        const Tensor& bias, const SpanRule& rule) {
    const Tensor rows = g.contiguous();
    Tensor span = torch::empty({rows.size(0)}, rows.options().dtype(torch::kDouble).requires_grad(false));
    AT_DISPATCH_FLOATING_TYPES_AND(torch::kBFloat16, rows.scalar_type(), "span", [&] {
      const int64_t count = rows.size(0), dim = rows.size(1);
      const scalar_t* from = rows.const_data_ptr<scalar_t>();
      double* to = span.data_ptr<double>();
      for (int64_t n = 0; n < count; ++n) to[n] = SpanOf(rule, from + n * dim);
    });
    context->save_for_backward({rows, weight, bias, span});
    context->saved_data["division"] = rule.division;
    context->saved_data["limit"] = rule.limit;
    context->saved_data["least"] = rule.least;
    return span;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const auto saved = context->get_saved_variables();
    const Tensor &rows = saved[0], &weight = saved[1], &bias = saved[2];
    const double limit = context->saved_data["limit"].toDouble(), least = context->saved_data["least"].toDouble();
    const Tensor share = SharesOf(saved[3], limit, least);
    Tensor slope = saved[3] * (1 - share);  // of the span over the sigmoid's argument
    if (least > 0) slope = slope * share * std::log(limit / least);
    const Tensor grad_sum = (grads[0] * slope).contiguous();  // [N]
    const Tensor grad = grad_sum / context->saved_data["division"].toDouble();
    const Tensor grad_w = torch::zeros({rows.size(1)}, grad.options()), scale = weight.to(torch::kDouble).contiguous();
    const Tensor grad_g = context->needs_input_grad(0) ? torch::empty(rows.sizes(), rows.options()) : Tensor();
    AT_DISPATCH_FLOATING_TYPES_AND(torch::kBFloat16, rows.scalar_type(), "span", [&] {
      const int64_t count = rows.size(0), dim = rows.size(1);
      double* to = grad_w.data_ptr<double>();
      scalar_t* to_g = grad_g.defined() ? grad_g.data_ptr<scalar_t>() : nullptr;
      const scalar_t* from = rows.const_data_ptr<scalar_t>();
      const double *grads_of = grad.const_data_ptr<double>(), *w = scale.const_data_ptr<double>();
      for (int64_t n = 0; n < count; ++n, from += dim) {
        const double x = grads_of[n];
        for (int64_t i = 0; i < dim && x != 0; ++i) to[i] += x * static_cast<double>(from[i]);
        for (int64_t i = 0; i < dim && to_g != nullptr; ++i) to_g[n * dim + i] = static_cast<scalar_t>(x * w[i]);
      }
    });
    return {grad_g, grad_w.to(weight.dtype()), grad_sum.sum(0, true).to(bias.dtype()), Tensor()};
  }
};

}  // namespace

std::optional<SpanRule> ExpireSpan::RuleOfSpans(const TransformerLayer& layer) const {
  const Tensor weight = layer.span.detach().to(torch::kDouble).cpu().contiguous();
  return SpanRule{{weight.const_data_ptr<double>(), weight.const_data_ptr<double>() + weight.numel()},
                  layer.span_bias.item<double>(),
                  options().span_pre_division,
                  options().span_limit,
                  options().LeastSpan()};
}

double ExpireSpan::BiasOf(double share_of_limit) const {
  const double limit = options().span_limit, least = options().LeastSpan(), span = share_of_limit * limit;
  Check(span > least && span < limit, "memory: no predictor gives spans of ", span, " steps; allowed: more than ",
        least, ", less than ", limit);
  const double share = SharesOf(torch::full({1}, span, torch::kDouble), limit, least).item<double>();
  return -std::log(1 / share - 1);
}

Tensor ExpireSpan::Charged(const Tensor& span) const {
  const double limit = options().span_limit, least = options().LeastSpan();
  return least == 0 ? span : SharesOf(span, limit, least) * limit;
}

Tensor ExpireSpan::Spans(const TransformerLayer& layer, const Tensor& g) const {
  const Tensor weight = layer.span.squeeze(0);
  if (g.is_cpu())
    return SpanFunction::apply(g.reshape({-1, g.size(-1)}), weight, layer.span_bias, *ExpireSpan::RuleOfSpans(layer))
        .view(g.sizes().slice(0, g.dim() - 1));
  const Tensor product = torch::matmul(g.to(torch::kDouble), weight.to(torch::kDouble));
  const Tensor share = (product / options().span_pre_division + layer.span_bias.to(torch::kDouble)).sigmoid();
  return SpansOf(share, options().span_limit, options().LeastSpan());
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

Bank ExpireSpan::ExpireAsPublished(const Bank& bank, const Tensor& bank_span, const Tensor& block,
                                   const Tensor& clock) const {
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
