#include "memory/adaptive_span.h"

#include <algorithm>
#include <cmath>

#include "memory/check.h"
#include "memory/registry.h"

namespace lethe::memory {

using torch::Tensor;

namespace {

constexpr int64_t kCacheBuffer = 64;  // published: states kept beyond the window

/// Mask of the published window's keys beyond the span: they count in the epsilon's share of the denominator only.
constexpr double kLeastMask = 1e-30;

/// One head's part of the last dimension, a view: x [..., K D] -> K times [..., D].
std::vector<Tensor> ByHead(const Tensor& x, int64_t heads) { return x.unflatten(-1, {heads, -1}).unbind(-2); }

}  // namespace

void AdaptiveSpanOptions::Visit(OptionVisitor& visit) {
  TransformerOptions::Visit(visit);
  visit("span_limit", span_limit, 1, 1e6, "longest span L, steps");
  visit("ramp", ramp, 1, 1e6, "a memory fades out over this many steps R after the span");
  visit("initial_ratio", initial_ratio, 0, 1, "spans start at this share of span_limit, and one step");
  visit("per_layer", per_layer, "one span for all heads of a layer");
  visit("span_loss", span_loss, 0, 1e3, "weight of the loss on spans, per step of mean span");
}

void AdaptiveSpanOptions::Check() const {
  TransformerOptions::Check();
  CheckOption(span_limit >= 1, "span_limit", span_limit, ">= 1");
  CheckOption(ramp > 0, "ramp", ramp, "> 0");
  CheckOption(initial_ratio >= 0 && initial_ratio <= 1, "initial_ratio", initial_ratio, "0 to 1");
  CheckOption(span_loss >= 0, "span_loss", span_loss, ">= 0");
  CheckOption(trim_step >= 1, "trim_step", trim_step, ">= 1");
}

std::shared_ptr<Core> AdaptiveSpanOptions::MakeBody() const { return std::make_shared<AdaptiveSpan>(*this); }

AdaptiveSpan::AdaptiveSpan(const AdaptiveSpanOptions& o)
    : BankedTransformer(std::make_shared<AdaptiveSpanOptions>(o), o.span_limit) {
  for (size_t l = 0; l < layers().size(); ++l)
    stack_.layers()[l].span_ratio =
        stack_.Add(l, "span_ratio", torch::full({o.per_layer ? 1 : o.heads}, o.initial_ratio));
}

void AdaptiveSpan::RestartSpans(double share_of_limit) {
  Check(share_of_limit >= 0 && share_of_limit <= 1, "memory: no span is ", share_of_limit, " of its limit");
  const torch::NoGradGuard no_grad;
  for (const TransformerLayer& layer : layers()) torch::Tensor(layer.span_ratio).fill_(share_of_limit);
}

Tensor AdaptiveSpan::HeadSpans(const TransformerLayer& layer) const {
  return (layer.span_ratio.to(torch::kDouble) * static_cast<double>(options().span_limit) + 1)
      .expand({options().heads});
}

Tensor AdaptiveSpan::Spans(const TransformerLayer& layer, const Tensor& g) const {
  return HeadSpans(layer).detach().max().expand(g.sizes().slice(0, g.dim() - 1)).contiguous();
}

AttentionConstants AdaptiveSpan::Constants(Noise& noise) const {
  AttentionConstants c;
  c.heads = options().heads;
  c.ramp = options().ramp;
  c.window = static_cast<double>(options().span_limit);
  c.dropout = noise.is_on() ? options().dropout : 0;
  if (options().published) c.epsilon = 1e-8, c.least_mask = kLeastMask;
  return c;
}

AttentionOutput AdaptiveSpan::Attend(const TransformerLayer& layer, const Tensor& q, const Tensor& k, const Tensor& v,
                                     const Tensor& span, const Tensor& episode_begin, const BankView& bank,
                                     const AttentionConstants& constants, bool want_weights) const {
  const int64_t heads = options().heads;
  const auto qs = ByHead(q, heads), ks = ByHead(k, heads), vs = ByHead(v, heads);
  const auto bank_ks = ByHead(bank.k, heads), bank_vs = ByHead(bank.v, heads);
  const auto spans = HeadSpans(layer).unbind(0);
  AttentionConstants head_constants = constants;
  head_constants.heads = 1;
  if (options().published) head_constants.window -= static_cast<double>(Trim(layer));
  std::vector<Tensor> out, weights;
  AttentionOutput all;
  for (size_t h = 0; h < qs.size(); ++h) {
    BankView head_bank = bank;
    head_bank.k = bank_ks[h], head_bank.v = bank_vs[h], head_bank.span = spans[h].expand_as(bank.span);
    if (constants.dropout_seed != 0) head_constants.dropout_seed = (constants.dropout_seed + 2 * h) | 1;
    const AttentionOutput a = ExpireAttention(qs[h], ks[h], vs[h], spans[h].expand_as(span), episode_begin, head_bank,
                                              position_keys()[0], head_constants, want_weights);
    out.push_back(a.out), weights.push_back(a.weights);
    all.ramp_sum = h == 0 ? a.ramp_sum : all.ramp_sum + a.ramp_sum;
    all.living = h == 0 ? a.living : torch::maximum(all.living, a.living);  // of the widest head, which sees all
  }
  all.out = torch::cat(out, 2);
  all.weights = torch::cat(weights, 1);
  return all;
}

int64_t AdaptiveSpan::TrimFor(double widest) const {
  const int64_t limit = options().span_limit;
  const auto top =
      static_cast<int64_t>(std::clamp(std::ceil(widest - 1 + options().ramp), 0.0, static_cast<double>(limit)));
  return std::min(limit - 1, limit - top) / options().trim_step * options().trim_step;
}

int64_t AdaptiveSpan::Trim(const TransformerLayer& layer) const {
  return TrimFor(HeadSpans(layer).max().item<double>());
}

int64_t AdaptiveSpan::PublishedKept(double widest) const {
  const int64_t limit = options().span_limit;
  return options().cache ? std::min(limit, limit - TrimFor(widest) + kCacheBuffer) : limit;
}

Bank AdaptiveSpan::Expire(const Bank& bank, const Tensor& bank_span, const Tensor& block, const Tensor& block_span,
                          const Tensor& clock, const Tensor& episode_begin) const {
  if (!options().published) return BankedTransformer::Expire(bank, bank_span, block, block_span, clock, episode_begin);
  const int64_t steps = block.size(1);
  const int64_t keep = steps > 0 ? PublishedKept(block_span.max().item<double>()) : options().span_limit;
  std::vector<KeptRow> kept(static_cast<size_t>(block.size(0)));
  for (size_t row = 0; row < kept.size(); ++row) {
    const int64_t first = bank.begin[static_cast<int64_t>(row)].item<int64_t>(),
                  count = bank.count[static_cast<int64_t>(row)].item<int64_t>();
    for (int64_t i = std::max<int64_t>(count + steps - keep, 0); i < count; ++i) kept[row].banked.push_back(first + i);
    for (int64_t t = std::max<int64_t>(steps - keep, 0); t < steps; ++t) kept[row].steps.push_back(t);
  }
  return Repack(bank, block, clock, kept);
}

BankView AdaptiveSpan::ProjectBank(const TransformerLayer& layer, const Bank& bank, const Tensor& clock) const {
  const int64_t window = options().span_limit - Trim(layer), missing = window - bank.longest, rows = clock.size(0);
  if (!options().published || missing <= 0) return BankedTransformer::ProjectBank(layer, bank, clock);
  Bank padded;  // published rows remember equally many steps, and the last ones
  const Tensor hidden = bank.hidden.view({rows, bank.longest, dim()});
  padded.hidden = torch::constant_pad_nd(hidden, {0, 0, missing, 0}).flatten(0, 1);
  padded.time = (clock.unsqueeze(1) + torch::arange(-window, 0, torch::kLong)).flatten();
  padded.begin = torch::arange(rows, torch::kLong) * window;
  padded.count = torch::full({rows}, window, torch::kLong);
  padded.longest = window;
  return BankedTransformer::ProjectBank(layer, padded, clock);
}

std::vector<BoundedParameter> AdaptiveSpan::BoundedParameters() const {
  std::vector<BoundedParameter> ratios;
  for (const TransformerLayer& layer : layers()) ratios.push_back({layer.span_ratio, 0, 1});
  return ratios;
}

Tensor AdaptiveSpan::AuxLoss() const {
  if (options().span_loss == 0) return {};
  Tensor sum = torch::zeros({}, torch::TensorOptions().dtype(torch::kDouble).device(position_keys().device()));
  for (const TransformerLayer& layer : layers()) sum = sum + layer.span_ratio.to(torch::kDouble).mean();
  return sum * (options().span_loss * static_cast<double>(options().span_limit));
}

LETHE_REGISTER_CORE("adaptive_span", AdaptiveSpanOptions, "Adaptive-Span: every head learns how far back it looks");

}  // namespace lethe::memory
