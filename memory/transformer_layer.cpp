#include "memory/transformer_layer.h"

#include <cmath>

#include "memory/check.h"
#include "memory/linear.h"
#include "memory/norm.h"

namespace lethe::memory {

using torch::Tensor;

void TransformerOptions::Visit(OptionVisitor& visit) {
  CoreOptions::Visit(visit);
  visit("layers", layers, 1, 64, "transformer layers");
  visit("heads", heads, 1, 64, "attention heads");
  visit("head_dim", head_dim, 0, 1024, "width of a head; 0: dim / heads");
  visit("ffn", ffn, 1, 65536, "width of the feed-forward part");
  visit("position", position, {"learned", "rotary"},
        "learned: a key for each of the nearest ages; rotary: angles by age");
  visit("positions", positions, 0, 65536,
        "nearest ages with a learned key; 0: the block, or what the core's window needs");
  visit("pre_norm", pre_norm, "normalise before each part instead of after");
  visit("gates", gates, "GTrXL: a GRU gate in place of each residual sum");
  visit("dropout", dropout, 0, 0.9, "of attention weights and feed-forward units, in training");
  visit("layer_drop", layer_drop, 0, 0.9, "probability that training skips a layer");
  visit("front", front, {"none", "gru", "lstm"}, "a recurrent cell before the layers, for what has to be counted");
}

void TransformerOptions::Check() const {
  const auto positive = [](int64_t n, const char* name) { CheckOption(n >= 1, name, n, ">= 1"); };
  positive(layers, "layers"), positive(dim, "dim"), positive(heads, "heads"), positive(ffn, "ffn"),
      positive(block, "block");
  CheckOption(head_dim >= 0, "head_dim", head_dim, ">= 0");
  CheckOption(positions >= 0, "positions", positions, ">= 0");
  CheckOption(head_dim > 0 || dim % heads == 0, "heads", heads,
              "a divisor of dim = " + std::to_string(dim) + ", or give head_dim");
  CheckOption(position == "learned" || position == "rotary", "position", position, "learned, rotary");
  CheckOption(position != "rotary" || HeadDim() % 2 == 0, "head_dim", HeadDim(),
              "an even number with position: rotary");
  CheckOption(front == "none" || front == "gru" || front == "lstm", "front", front, "none, gru, lstm");
  CheckOption(dropout >= 0 && dropout < 1, "dropout", dropout, "0 to below 1");
  CheckOption(layer_drop >= 0 && layer_drop < 1, "layer_drop", layer_drop, "0 to below 1");
}

Tensor LinearStart(int64_t out, int64_t in) {
  const double bound = 1 / std::sqrt(static_cast<double>(in));
  return torch::empty({out, in}).uniform_(-bound, bound);
}

TransformerStack::TransformerStack(torch::nn::Module& owner, const TransformerOptions& options)
    : dim_(options.dim),
      width_(options.heads * options.HeadDim()),
      ffn_(options.ffn),
      pre_norm_(options.pre_norm),
      gates_(options.gates),
      dropout_(options.dropout) {
  const auto stack = owner.register_module("layers", std::make_shared<torch::nn::Module>());
  for (int64_t l = 0; l < options.layers; ++l) {
    const auto module = stack->register_module(std::to_string(l), std::make_shared<torch::nn::Module>());
    const auto add = [&](const char* name, Tensor start) { return module->register_parameter(name, std::move(start)); };
    const double ff_bound = 1 / std::sqrt(static_cast<double>(dim_)),
                 ff2_bound = 1 / std::sqrt(static_cast<double>(ffn_));
    TransformerLayer layer;
    layer.query = add("query", LinearStart(width_, dim_));
    layer.key_value = add("key_value", LinearStart(2 * width_, dim_));
    layer.out = add("out", LinearStart(dim_, width_));
    layer.ff1 = add("ff1", LinearStart(ffn_, dim_));
    layer.ff1_bias = add("ff1_bias", torch::empty({ffn_}).uniform_(-ff_bound, ff_bound));
    layer.ff2 = add("ff2", LinearStart(dim_, ffn_));
    layer.ff2_bias = add("ff2_bias", torch::empty({dim_}).uniform_(-ff2_bound, ff2_bound));
    layer.norm1 = add("norm1", torch::ones({dim_}));
    layer.norm1_bias = add("norm1_bias", torch::zeros({dim_}));
    layer.norm2 = add("norm2", torch::ones({dim_}));
    layer.norm2_bias = add("norm2_bias", torch::zeros({dim_}));
    if (gates_) layer.gate1 = MakeGate(*module, "gate1"), layer.gate2 = MakeGate(*module, "gate2");
    layers_.push_back(std::move(layer));
    modules_.push_back(module);
  }
  if (pre_norm_) {
    out_norm_ = owner.register_parameter("out_norm", torch::ones({dim_}));
    out_norm_bias_ = owner.register_parameter("out_norm_bias", torch::zeros({dim_}));
  }
}

Gate TransformerStack::MakeGate(torch::nn::Module& module, const std::string& name) const {
  Gate gate;
  gate.input = module.register_parameter(name + "_input", LinearStart(3 * dim_, dim_));
  gate.stream = module.register_parameter(name + "_stream", LinearStart(2 * dim_, dim_));
  gate.candidate = module.register_parameter(name + "_candidate", LinearStart(dim_, dim_));
  gate.bias = module.register_parameter(name + "_bias", torch::full({dim_}, 2.0));
  return gate;
}

Tensor TransformerStack::Add(size_t layer, const std::string& name, Tensor start) {
  return modules_[layer]->register_parameter(name, std::move(start));
}

Tensor TransformerStack::AttentionInput(const TransformerLayer& layer, const Tensor& x) const {
  return pre_norm_ ? Norm(x, layer.norm1, layer.norm1_bias) : x;
}

Tensor TransformerStack::Join(const Gate& gate, const Tensor& x, const Tensor& part) const {
  if (!gates_) return x + part;
  const auto from_part = Linear(torch::relu(part), gate.input).chunk(3, -1);
  const auto from_stream = Linear(x, gate.stream).chunk(2, -1);
  const Tensor reset = torch::sigmoid(from_part[0] + from_stream[0]);
  const Tensor update = torch::sigmoid(from_part[1] + from_stream[1] - gate.bias);
  const Tensor candidate = torch::tanh(from_part[2] + Linear(reset * x, gate.candidate));
  return (1 - update) * x + update * candidate;
}

Tensor TransformerStack::JoinAndNorm(const Gate& gate, const Tensor& x, const Tensor& part, const Tensor& weight,
                                     const Tensor& bias) const {
  return gates_ ? Norm(Join(gate, x, part), weight, bias) : Norm(x, weight, bias, part);
}

Tensor TransformerStack::FinishLayer(const TransformerLayer& layer, const Tensor& x, const Tensor& attended,
                                     Noise& noise, Tensor* projected) const {
  const auto feed_forward = [&](const Tensor& z) {
    const Tensor hidden = noise.Dropout(Linear(z, layer.ff1, layer.ff1_bias, true), dropout_);
    return Linear(hidden, layer.ff2, layer.ff2_bias);
  };
  const Tensor part = Linear(attended, layer.out);
  if (projected != nullptr) *projected = part;
  if (pre_norm_) {
    const Tensor sum = Join(layer.gate1, x, part);
    return Join(layer.gate2, sum, feed_forward(Norm(sum, layer.norm2, layer.norm2_bias)));
  }
  const Tensor y = JoinAndNorm(layer.gate1, x, part, layer.norm1, layer.norm1_bias);
  return JoinAndNorm(layer.gate2, y, feed_forward(y), layer.norm2, layer.norm2_bias);
}

Tensor TransformerStack::FinishStack(const Tensor& x) const {
  return pre_norm_ ? Norm(x, out_norm_, out_norm_bias_) : x;
}

double TransformerStack::LinearFlops() const {
  const double dim = static_cast<double>(dim_), width = static_cast<double>(width_), ffn = static_cast<double>(ffn_);
  const double layer = 4 * dim * width + 2 * dim * ffn + (gates_ ? 12 * dim * dim : 0);
  return 2 * layer * static_cast<double>(layers_.size());
}

Tensor Rotate(const Tensor& x, const Tensor& time, int64_t head_dim) {
  const int64_t half = head_dim / 2;
  const Tensor exponent =
      torch::arange(half, torch::TensorOptions().dtype(torch::kDouble).device(x.device())) / static_cast<double>(half);
  const Tensor angle = time.to(x.device()).to(torch::kDouble).unsqueeze(-1) * torch::pow(1e-4, exponent);  // [..., D/2]
  const Tensor cos = angle.cos().to(x.dtype()).unsqueeze(-2), sin = angle.sin().to(x.dtype()).unsqueeze(-2);
  const auto halves = x.unflatten(-1, {-1, 2, half}).unbind(-2);  // [..., K, D/2] each
  return torch::stack({halves[0] * cos - halves[1] * sin, halves[0] * sin + halves[1] * cos}, -2).flatten(-3);
}

}  // namespace lethe::memory
