#include "tools/steady_memory.h"

#include <algorithm>
#include <cmath>

#include "memory/banked_transformer.h"

namespace lethe::tools {

using memory::BankedTransformer;
using torch::Tensor;

namespace {

constexpr int64_t kClock = int64_t{1} << 30;  // rows are far from their start
constexpr double kSaturated = 40;             // the sigmoid is 1 in double

Tensor RowTensor(const std::vector<double>& x) { return torch::tensor(x, torch::kDouble); }

memory::StatePtr FilledState(const BankedTransformer& core, int64_t rows) {
  const Tensor reach = Reach(core, rows);
  std::vector<Tensor> times;
  for (int64_t row = 0; row < rows; ++row)
    times.push_back(torch::arange(kClock - reach[row].item<int64_t>(), kClock, torch::kLong));
  memory::TensorMap saved{{"clock", torch::full({rows}, kClock, torch::kLong)}};
  for (int64_t l = 0; l < core.shared().layers; ++l) {
    const std::string prefix = "layer" + std::to_string(l) + ".";
    saved[prefix + "time"] = torch::cat(times);
    saved[prefix + "count"] = reach;
    saved[prefix + "hidden"] = torch::randn({reach.sum().item<int64_t>(), core.dim()});
  }
  return core.Restore(saved);
}

}  // namespace

void PinSpans(memory::ExpireSpan& core, double fraction) {
  const torch::NoGradGuard no_grad;
  const double bias = fraction >= 1 ? kSaturated : core.BiasOf(fraction);
  for (const memory::TransformerLayer& layer : core.layers()) {
    Tensor span = layer.span, span_bias = layer.span_bias;
    span.zero_();
    span_bias.fill_(bias);
  }
}

RowSpans::RowSpans(const memory::ExpireSpanOptions& options, const std::vector<double>& scale)
    : ExpireSpan(options), scale_(RowTensor(scale)) {}

Tensor RowSpans::Spans(const memory::TransformerLayer& layer, const Tensor& g) const {
  const Tensor span = ExpireSpan::Spans(layer, g);
  return span.dim() == 2 ? span * scale_.unsqueeze(1) : span * scale_.repeat_interleave(counts_);
}

PublishedRowSpans::PublishedRowSpans(const memory::ExpireSpan& core, const std::vector<double>& scale)
    : PublishedExpireSpan(core), scale_(RowTensor(scale)) {}

Tensor PublishedRowSpans::Spans(const memory::TransformerLayer& layer, const Tensor& g) const {
  return PublishedExpireSpan::Spans(layer, g) * scale_.to(g.dtype()).unsqueeze(1);
}

Tensor Reach(const BankedTransformer& core, int64_t rows) {
  const torch::NoGradGuard no_grad;
  memory::Noise evaluation(0);
  const memory::AttentionConstants constants = core.Constants(evaluation);
  const Tensor any = torch::zeros({rows, 1, core.dim()}, core.layers()[0].query.options().requires_grad(false));
  const Tensor alive = (core.Spans(core.layers()[0], any).squeeze(1) + constants.ramp).ceil() - 1;
  return alive.clamp_max(constants.window).to(torch::kLong).contiguous();
}

memory::StatePtr SteadyState(const memory::Core& core, int64_t rows, int64_t block) {
  if (const auto* banked = dynamic_cast<const BankedTransformer*>(&core)) return FilledState(*banked, rows);
  const torch::NoGradGuard no_grad;
  const auto like = core.parameters()[0].options().requires_grad(false);
  memory::StatePtr state = core.Start(rows);
  for (int64_t held = -1; state->bytes() != held;) {
    held = state->bytes();
    const Tensor x = torch::randn({rows, block, core.dim()}).to(like);
    state = core.Forward(x, torch::zeros({rows, block}, torch::kByte), state, 0, true).state;
  }
  return state;
}

memory::PublishedState SteadyPublishedState(const memory::ExpireSpan& core, int64_t rows) {
  const int64_t block = core.position_keys().size(2), reach = Reach(core, rows).max().item<int64_t>();
  const int64_t held = std::max<int64_t>((reach + block - 1) / block, 1) * block;
  const auto like = core.position_keys().options().requires_grad(false);
  memory::PublishedState state;
  for (size_t l = 0; l < core.layers().size(); ++l)
    state.layers.push_back({torch::randn({rows, held, core.dim()}, like),
                            torch::arange(held, 0, -1, like.dtype(torch::kLong)).repeat({rows, 1})});
  return state;
}

}  // namespace lethe::tools
