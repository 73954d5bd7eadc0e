#include "memory/none.h"

#include <cmath>

#include "memory/check.h"
#include "memory/check_block.h"
#include "memory/noise.h"
#include "memory/one_step.h"
#include "memory/recurrent_state.h"
#include "memory/registry.h"

namespace lethe::memory {

using torch::Tensor;

void NoneOptions::Visit(OptionVisitor& visit) {
  CoreOptions::Visit(visit);
  visit("layers", layers, 0, 64, "feed-forward layers; 0: the identity");
  visit("ffn", ffn, 1, 65536, "width of a layer's hidden units");
  visit("dropout", dropout, 0, 0.9, "of hidden units, in training");
}

void NoneOptions::Check() const {
  CheckOption(dim >= 1, "dim", dim, ">= 1");
  CheckOption(block >= 1, "block", block, ">= 1");
  CheckOption(layers >= 0, "layers", layers, ">= 0");
  CheckOption(ffn >= 1, "ffn", ffn, ">= 1");
  CheckOption(dropout >= 0 && dropout < 1, "dropout", dropout, "0 to below 1");
}

std::shared_ptr<Core> NoneOptions::Make() const { return std::make_shared<None>(*this); }

None::None(const NoneOptions& o) : options_(o) {
  options_.Check();
  type_ = register_buffer("type", torch::zeros({}));
  const auto stack = register_module("layers", std::make_shared<torch::nn::Module>());
  for (int64_t l = 0; l < o.layers; ++l) {
    const auto module = stack->register_module(std::to_string(l), std::make_shared<torch::nn::Module>());
    const auto uniform = [&](const char* name, std::vector<int64_t> shape, int64_t inputs) {
      const double bound = 1 / std::sqrt(static_cast<double>(inputs));
      return module->register_parameter(name, torch::empty(shape).uniform_(-bound, bound));
    };
    layers_.push_back({module->register_parameter("norm", torch::ones({o.dim})),
                       module->register_parameter("norm_bias", torch::zeros({o.dim})),
                       uniform("ff1", {o.ffn, o.dim}, o.dim), uniform("ff1_bias", {o.ffn}, o.dim),
                       uniform("ff2", {o.dim, o.ffn}, o.ffn), uniform("ff2_bias", {o.dim}, o.ffn)});
  }
}

StatePtr None::Start(int64_t rows) const { return RecurrentState::Start({}, rows, type_.options()); }

BlockOutput None::Forward(const Tensor& x, const Tensor& episode_start, const StatePtr& state, int64_t lookahead,
                          bool want_state, uint64_t seed, const Between& between) const {
  RefuseBetween(between);
  const RecurrentState& before = RecurrentState::Of(state, {}, type_.options());
  CheckBlock(x, episode_start, before.rows(), dim(), type_, lookahead);
  Noise noise(seed);
  BlockOutput result;
  result.y = x;
  for (const Layer& layer : layers_) {
    const Tensor normed = torch::layer_norm(result.y, {dim()}, layer.norm, layer.norm_bias, 1e-5);
    const Tensor hidden =
        noise.Dropout(torch::relu(torch::linear(normed, layer.ff1, layer.ff1_bias)), options_.dropout);
    result.y = result.y + torch::linear(hidden, layer.ff2, layer.ff2_bias);
  }
  if (want_state)
    result.state = std::make_shared<RecurrentState>(std::vector<CarriedVector>{}, std::vector<Tensor>{},
                                                    before.clock() + (x.size(1) - lookahead));
  return result;
}

std::unique_ptr<Stepper> None::Begin(const StatePtr& state, int64_t steps, Between between) const {
  RefuseBetween(between);
  RecurrentState::Of(state, {}, type_.options());
  return StepByForward(*this, state, steps);
}

StatePtr None::Restore(const TensorMap& saved) const { return RecurrentState::Restore(saved, {}, type_.options()); }

StatePtr None::Gather(const StatePtr& state, const std::vector<int64_t>& rows) const {
  return RecurrentState::Of(state, {}, type_.options()).Gather(rows);
}

Flops None::CountFlops(int64_t, double) const {
  return {
      4 * static_cast<double>(options_.layers) * static_cast<double>(options_.dim) * static_cast<double>(options_.ffn),
      0};
}

LETHE_REGISTER_CORE("none", NoneOptions, "no memory at all: the control");

}  // namespace lethe::memory
