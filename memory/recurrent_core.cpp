#include "memory/recurrent_core.h"

#include <cmath>

#include "memory/check.h"
#include "memory/check_block.h"
#include "memory/noise.h"
#include "memory/one_step.h"

namespace lethe::memory {

using torch::Tensor;

void RecurrentOptions::Visit(OptionVisitor& visit) {
  CoreOptions::Visit(visit);
  visit("layers", layers, 1, 64, "layers, each as wide as the stream");
  visit("dropout", dropout, 0, 0.9, "of what passes from layer to layer, in training");
}

void RecurrentOptions::Check() const {
  CheckOption(dim >= 1, "dim", dim, ">= 1");
  CheckOption(block >= 1, "block", block, ">= 1");
  CheckOption(layers >= 1, "layers", layers, ">= 1");
  CheckOption(dropout >= 0 && dropout < 1, "dropout", dropout, "0 to below 1");
}

RecurrentCore::RecurrentCore(std::shared_ptr<const RecurrentOptions> options, int64_t gates,
                             std::vector<std::string> carried, bool hidden_bias)
    : shared_(std::move(options)), gates_(gates), carried_(carried.size()) {
  shared_->Check();
  const int64_t dim = shared_->dim;
  const double bound = 1 / std::sqrt(static_cast<double>(dim));
  const auto stack = register_module("layers", std::make_shared<torch::nn::Module>());
  for (int64_t l = 0; l < shared_->layers; ++l) {
    const auto module = stack->register_module(std::to_string(l), std::make_shared<torch::nn::Module>());
    const auto add = [&](const char* name, std::vector<int64_t> shape) {
      return module->register_parameter(name, torch::empty(shape).uniform_(-bound, bound));
    };
    Layer layer{
        add("input", {gates * dim, dim}), add("input_bias", {gates * dim}), add("hidden", {gates * dim, dim}), {}};
    if (hidden_bias) layer.hidden_bias = add("hidden_bias", {dim});
    layers_.push_back(std::move(layer));
    for (const std::string& name : carried) layout_.push_back({"layer" + std::to_string(l) + "." + name, dim});
  }
}

StatePtr RecurrentCore::Start(int64_t rows) const { return RecurrentState::Start(layout_, rows, StateOptions()); }

BlockOutput RecurrentCore::Forward(const Tensor& input, const Tensor& episode_start, const StatePtr& state,
                                   int64_t lookahead, bool want_state, uint64_t seed, const Between& between) const {
  RefuseBetween(between);
  const RecurrentState& before = RecurrentState::Of(state, layout_, StateOptions());
  CheckBlock(input, episode_start, before.rows(), dim(), layers_[0].input, lookahead);
  const int64_t fresh = input.size(1) - lookahead;
  const Tensor keep =
      (episode_start == 0).to(input.options().requires_grad(false)).t().unsqueeze(2).contiguous();  // [T, B, 1]
  Noise noise(seed);
  std::vector<Tensor> after;
  Tensor x = input.transpose(0, 1);
  for (size_t l = 0; l < layers_.size(); ++l) {
    const Layer& layer = layers_[l];
    if (l > 0) x = noise.Dropout(x, shared_->dropout);
    const auto first = before.vectors().begin() + static_cast<int64_t>(l * carried_);
    const auto all = Run(layer, torch::linear(x, layer.input, layer.input_bias), keep,
                         {first, first + static_cast<int64_t>(carried_)});
    if (want_state)
      for (const Tensor& vector : all) after.push_back(vector.detach()[fresh - 1].clone());
    x = all[0];
  }
  BlockOutput result;
  result.y = x.transpose(0, 1);
  if (want_state) result.state = std::make_shared<RecurrentState>(layout_, std::move(after), before.clock() + fresh);
  return result;
}

std::vector<Tensor> RecurrentCore::RunPlain(const Layer& layer, const Tensor& inputs, const Tensor& keep,
                                            const std::vector<Tensor>& before) const {
  std::vector<Tensor> now = before;
  std::vector<std::vector<Tensor>> all(carried_);
  for (int64_t t = 0; t < inputs.size(0); ++t) {
    for (Tensor& vector : now) vector = vector * keep[t];
    now = Cell(layer, inputs[t], now);
    for (size_t i = 0; i < carried_; ++i) all[i].push_back(now[i]);
  }
  std::vector<Tensor> stacked;
  for (const auto& steps : all) stacked.push_back(torch::stack(steps));
  return stacked;
}

std::unique_ptr<Stepper> RecurrentCore::Begin(const StatePtr& state, int64_t steps, Between between) const {
  RefuseBetween(between);
  RecurrentState::Of(state, layout_, StateOptions());
  return StepByForward(*this, state, steps);
}

StatePtr RecurrentCore::Restore(const TensorMap& saved, const std::string& prefix) const {
  return RecurrentState::Restore(saved, layout_, StateOptions(), prefix);
}

StatePtr RecurrentCore::Gather(const StatePtr& state, const std::vector<int64_t>& rows) const {
  return RecurrentState::Of(state, layout_, StateOptions()).Gather(rows);
}

Flops RecurrentCore::CountFlops(int64_t, double) const {
  const auto dim = static_cast<double>(shared_->dim);
  return {2 * static_cast<double>(shared_->layers * gates_) * 2 * dim * dim, 0};
}

}  // namespace lethe::memory
