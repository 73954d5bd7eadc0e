#include "memory/published_expire_span.h"

#include <cmath>
#include <limits>

#include "memory/check.h"

namespace lethe::memory {

namespace {

using torch::Tensor;

constexpr double kEpsilon = 1e-8;

Tensor Norm(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  return torch::layer_norm(x, {x.size(-1)}, weight, bias, 1e-5);
}

Tensor FeedForward(const TransformerLayer& layer, const Tensor& x) {
  return torch::linear(torch::relu(torch::linear(x, layer.ff1, layer.ff1_bias)), layer.ff2, layer.ff2_bias);
}

/// Steps of a block counted from its first: [M] i64.
Tensor StepsOf(const Tensor& x, int64_t block) { return torch::arange(block, x.options().dtype(torch::kLong)); }

}  // namespace

int64_t PublishedState::bytes() const {
  int64_t bytes = 0;
  for (const Layer& layer : layers) bytes += static_cast<int64_t>(layer.hidden.nbytes() + layer.distance.nbytes());
  return bytes;
}

PublishedExpireSpan::PublishedExpireSpan(const ExpireSpan& core)
    : core_(core),
      heads_(core.options().heads),
      head_dim_(core.options().HeadDim()),
      block_(core.position_keys().size(2)),
      ramp_(core.options().ramp),
      pre_norm_(core.options().pre_norm) {
  Check(core.options().LeastSpan() == 0, "published Expire-Span: has linear spans, got span_scale ",
        core.options().span_scale);
  Check(!core.options().gates && core.options().position == "learned",
        "published Expire-Span: has learned positions and no gates, got position ", core.options().position,
        core.options().gates ? " and gates" : "");
}

PublishedState PublishedExpireSpan::Start(int64_t rows) const {
  const auto like = core_.position_keys().options().requires_grad(false);
  PublishedState state;
  for (size_t l = 0; l < core_.layers().size(); ++l)
    state.layers.push_back({torch::zeros({rows, block_, core_.dim()}, like),
                            torch::arange(block_, 0, -1, like.dtype(torch::kLong)).repeat({rows, 1})});
  return state;
}

Tensor PublishedExpireSpan::Spans(const TransformerLayer& layer, const Tensor& g) const {
  const Tensor product = torch::linear(g / core_.options().span_pre_division, layer.span, layer.span_bias);
  return product.squeeze(-1).sigmoid() * core_.options().span_limit;
}

Tensor PublishedExpireSpan::ByHead(const Tensor& x) const {
  return x.view({x.size(0), x.size(1), heads_, head_dim_}).transpose(1, 2);
}

/// q . key_pe for the nearest M memories of each query, zero for older ones. Column j of the products belongs to list
/// entry n - 2M + t + j: every query's row is shifted by one more, which one padding and a view do for all.
Tensor PublishedExpireSpan::PositionScores(const Tensor& q, int64_t memories) const {
  const int64_t rows = q.size(0), width = 2 * block_;
  const Tensor products = torch::matmul(q, core_.position_keys());          // [B, H, M, M]
  const Tensor shifted = torch::constant_pad_nd(products, {0, block_ + 1})  // [B, H, M, 2M + 1]
                             .flatten(2)
                             .slice(2, 0, block_ * width)
                             .view({rows, heads_, block_, width});
  return torch::constant_pad_nd(shifted, {memories - width, 0});  // [B, H, M, n]
}

Tensor PublishedExpireSpan::Attend(const TransformerLayer& layer, const Tensor& query_input, const Tensor& g,
                                   const Tensor& remaining) const {
  const int64_t memories = g.size(1);
  const Tensor q = ByHead(torch::linear(query_input, layer.query));  // [B, H, M, D]
  const auto key_value = torch::linear(g, layer.key_value).chunk(2, -1);
  const Tensor k = ByHead(key_value[0]), v = ByHead(key_value[1]);  // [B, H, n, D]
  const Tensor mask = (remaining / ramp_ + 1).clamp(0, 1).unsqueeze(1);
  const Tensor earlier =
      torch::ones({block_, memories}, g.options().dtype(torch::kBool)).tril(memories - block_ - 1);  // [M, n]
  const Tensor hidden = (mask > 0).logical_and(earlier).logical_not();                               // [B, 1, M, n]
  const Tensor scores = torch::matmul(q, k.transpose(2, 3)) + PositionScores(q, memories);
  const Tensor masked = scores.masked_fill(hidden, -std::numeric_limits<double>::infinity());
  const Tensor p = torch::softmax(masked / std::sqrt(static_cast<double>(head_dim_)), -1) * mask;
  const Tensor weights = p / (p.sum(-1, true) + kEpsilon);
  return torch::matmul(weights, v).transpose(1, 2).flatten(2);  // [B, M, KD]
}

PublishedState::Layer PublishedExpireSpan::DropExpired(const PublishedState::Layer& all, const Tensor& span,
                                                       int64_t own) const {
  const int64_t rows = all.hidden.size(0), memories = all.hidden.size(1);
  Tensor dead = span - all.distance + ramp_ - block_ <= 0;  // [B, n]
  dead.slice(1, memories - own).fill_(false);
  const int64_t dropped = dead.sum(1).min().item<int64_t>() / block_ * block_;
  const Tensor distance = all.distance + block_;
  if (dropped == 0) return {all.hidden, distance};
  const Tensor kept = dead.logical_and(dead.cumsum(1) <= dropped).logical_not();  // the oldest of the dead leave
  return {all.hidden.masked_select(kept.unsqueeze(2)).view({rows, memories - dropped, -1}),
          distance.masked_select(kept).view({rows, -1})};
}

PublishedExpireSpan::Output PublishedExpireSpan::Forward(const Tensor& input, const PublishedState& before) const {
  Check(input.dim() == 3 && input.size(1) == block_ && input.size(2) == core_.dim(),
        "published Expire-Span: x must be [B, ", block_, ", ", core_.dim(), "], got ", input.sizes());
  Check(before.layers.size() == core_.layers().size() && before.layers[0].hidden.size(0) == input.size(0),
        "published Expire-Span: the state must have ", core_.layers().size(), " layers and ", input.size(0), " rows");
  const Tensor steps = StepsOf(input, block_);
  Output result;
  Tensor x = input;
  for (size_t l = 0; l < core_.layers().size(); ++l) {
    const TransformerLayer& layer = core_.layers()[l];
    const PublishedState::Layer& old = before.layers[l];
    const Tensor memory = torch::cat({old.hidden, x}, 1);                                             // [B, n, H]
    const Tensor distance = torch::cat({old.distance, (-steps).expand({input.size(0), block_})}, 1);  // [B, n]
    const Tensor g = pre_norm_ ? Norm(memory, layer.norm1, layer.norm1_bias) : memory;
    const Tensor span = Spans(layer, g);
    const Tensor remaining = (span - distance).unsqueeze(1) - steps.view({1, block_, 1});  // [B, M, n]
    const Tensor query_input = pre_norm_ ? Norm(x, layer.norm1, layer.norm1_bias) : x;
    const Tensor sum = x + torch::linear(Attend(layer, query_input, g, remaining), layer.out);
    const Tensor y = pre_norm_ ? sum : Norm(sum, layer.norm1, layer.norm1_bias);
    const Tensor out = y + FeedForward(layer, pre_norm_ ? Norm(y, layer.norm2, layer.norm2_bias) : y);
    const Tensor on_ramp = (remaining < 0).logical_and(remaining > -ramp_);
    const Tensor charge = torch::where(on_ramp, remaining, 0).sum({1, 2});
    result.ramp_sum = result.ramp_sum.defined() ? result.ramp_sum + charge : charge;
    {
      const torch::NoGradGuard no_grad;
      result.state.layers.push_back(DropExpired({memory.detach(), distance}, span.detach(), block_));
    }
    x = pre_norm_ ? out : Norm(out, layer.norm2, layer.norm2_bias);
  }
  result.y = pre_norm_ ? Norm(x, core_.stack().out_norm(), core_.stack().out_norm_bias()) : x;
  return result;
}

}  // namespace lethe::memory
