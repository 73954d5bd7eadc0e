#include "agents/policy.h"

#include <cmath>
#include <stdexcept>

namespace lethe::agents {

using torch::Tensor;

Policy::Policy(const PolicyOptions& options) : options_(options) {
  const int64_t dim = options.memory->dim;
  encoder_ = register_module("encoder", std::make_shared<TokenEncoder>(options.vocabularies, dim));
  core_ = register_module("memory", options.memory->Make());
  if (options.cell_heads > 0)
    pointer_ = register_module(
        "pointer", std::make_shared<CellPointer>(options.cells, options.cell_heads, dim, options.num_actions + 1));
  if (options.glance_heads > 0)
    glance_ = register_module("glance", std::make_shared<CellGlance>(options.cells, options.glance_heads, dim));
  if (!options.explanation.empty())
    explainer_ = register_module("explainer", std::make_shared<Explainer>(options.explanation, dim));
  // Small logits at the start: a nearly uniform policy explores.
  Tensor head = torch::randn({options.num_actions + 1, dim}) / std::sqrt(static_cast<double>(dim));
  head.slice(0, 0, options.num_actions).mul_(0.01);
  head_ = register_parameter("head", head);
  head_bias_ = register_parameter("head_bias", torch::zeros({options.num_actions + 1}));
}

Tensor Policy::Head(const Tensor& y, const Tensor& observations) const {
  const Tensor head = memory::Linear(y, head_, head_bias_);
  return pointer_ ? head + pointer_->Forward(y, observations) : head;
}

Tensor Policy::Explain(const Tensor& y) const {
  if (!explainer_) throw std::logic_error("this policy has no explainer");
  return explainer_->Forward(y);
}

memory::Between Policy::Between(const std::shared_ptr<const Tensor>& observations) const {
  if (!glance_) return {};
  const auto gap = static_cast<size_t>(options_.memory->Gaps()) - 1;  // the one before the last layer
  return [this, observations, gap](size_t layer, const Tensor& y) {
    if (layer != gap) return Tensor();
    if (y.dim() == 3) return glance_->Forward(y, *observations);
    return glance_->Forward(y.unsqueeze(1), *observations).squeeze(1);
  };
}

double Policy::HeadFlops() const {
  double flops = 2 * static_cast<double>(head_.numel());
  if (pointer_) flops += pointer_->Flops();
  if (glance_) flops += glance_->Flops();
  return flops;
}

Policy::Output Policy::Forward(const Tensor& observations, const Tensor& episode_start, const memory::StatePtr& state,
                               bool want_state, uint64_t noise) const {
  Output output;
  output.memory = core_->Forward(encoder_->Forward(observations), episode_start, state, 1, want_state, noise,
                                 Between(std::make_shared<const Tensor>(observations)));
  output.head = Head(output.memory.y, observations);
  return output;
}

PolicyStepper::PolicyStepper(const Policy& policy, const memory::StatePtr& state, int64_t steps)
    : policy_(policy),
      rows_(state->rows()),
      seen_(std::make_shared<Tensor>()),
      memory_(policy.core().Begin(state, steps, policy.Between(seen_))) {}

Tensor PolicyStepper::Step(const uint8_t* observations, const uint8_t* episode_start, memory::Trace* trace) {
  const torch::NoGradGuard no_grad;
  const auto tokens = static_cast<int64_t>(policy_.options().vocabularies.size());
  Tensor& seen = *seen_;
  seen = torch::from_blob(const_cast<uint8_t*>(observations), {1, rows_, tokens}, torch::kUInt8);
  const Tensor x = policy_.encoder().Forward(seen).squeeze(1);
  const Tensor y = memory_->Step(x, episode_start, trace).unsqueeze(1);
  return policy_.Head(y, seen).squeeze(1).cpu();
}

}  // namespace lethe::agents
