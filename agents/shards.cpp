#include "agents/shards.h"

namespace lethe::agents {

namespace {

using torch::Tensor;

std::vector<float> Values(const Tensor& tensor) {
  const Tensor here = tensor.detach().cpu().contiguous();
  return {here.const_data_ptr<float>(), here.const_data_ptr<float>() + here.numel()};
}

Tensor Bytes(const std::vector<uint8_t>& data, std::vector<int64_t> shape) {
  return torch::from_blob(const_cast<uint8_t*>(data.data()), shape, torch::kUInt8);
}

void RunForward(const Policy& policy, const memory::StatePtr& state, bool want_state, uint64_t noise, Shard& shard) {
  const Rollout& r = *shard.rollout;
  const Tensor observations = Bytes(r.observations, {r.unroll + 1, r.rows, r.tokens});
  const Tensor start = Bytes(r.episode_start, {r.unroll + 1, r.rows}).t().contiguous();
  shard.output = policy.Forward(observations, start, state, want_state, noise);
  shard.head = Values(shard.output.head);
  shard.grad_head.assign(shard.head.size(), 0.0f);
  if (r.explanation.empty()) return;
  shard.output.explanation = policy.Explain(shard.output.memory.y);
  shard.explanation = Values(shard.output.explanation);
  shard.grad_explanation.assign(shard.explanation.size(), 0.0f);
}

void RunBackward(const FlatParameters& parameters, Shard& shard) {
  const auto& out = shard.output;
  std::vector<Tensor> roots, grads;
  const auto add = [&](const Tensor& root, std::vector<float>& grad) {
    roots.push_back(root);
    grads.push_back(torch::from_blob(grad.data(), root.sizes()).to(root.device()));
  };
  add(out.head, shard.grad_head);
  if (out.explanation.defined()) add(out.explanation, shard.grad_explanation);
  if (!shard.grad_span_mean.empty()) {
    roots.push_back(out.memory.span_mean);
    grads.push_back(torch::tensor(shard.grad_span_mean, torch::kDouble).to(out.memory.span_mean.device()));
  }
  if (shard.grad_ramp_sum != 0) {
    roots.push_back(out.memory.ramp_sum);
    grads.push_back(torch::full_like(out.memory.ramp_sum, shard.grad_ramp_sum));
  }
  if (shard.grad_aux_loss != 0 && out.memory.aux_loss.defined()) {
    roots.push_back(out.memory.aux_loss);
    grads.push_back(torch::full_like(out.memory.aux_loss, shard.grad_aux_loss));
  }
  const auto gradients = torch::autograd::grad(roots, parameters.tensors(), grads, false, false, true);
  shard.gradient.assign(static_cast<size_t>(parameters.size()), 0.0f);
  AddFlat(parameters, gradients, shard.gradient);
  shard.output.head = shard.output.explanation = Tensor();
}

/// The latest rollout before k of the same actor; there is one.
size_t Predecessor(const std::vector<Rollout>& rollouts, size_t k) {
  size_t i = k - 1;
  while (rollouts[i].actor != rollouts[k].actor) --i;
  return i;
}

}  // namespace

std::vector<memory::StatePtr> ActingStates(const std::vector<Rollout>& rollouts) {
  std::vector<memory::StatePtr> states;
  for (const Rollout& rollout : rollouts) states.push_back(rollout.memory);
  return states;
}

std::vector<Shard> ShardedPolicy::Forward(const std::vector<Rollout>& rollouts,
                                          const std::vector<memory::StatePtr>& states, bool want_state) {
  std::vector<Shard> shards(rollouts.size());
  const auto noise_of = [this](size_t k) { return noise_ == 0 ? 0 : noise_ + 2 * k; };  // odd, so never 0
  pool_.Run(static_cast<int>(shards.size()), [&](int i) {
    const auto k = static_cast<size_t>(i);
    shards[k].rollout = &rollouts[k];
    if (states[k] != nullptr) RunForward(policy_, states[k], want_state, noise_of(k), shards[k]);
  });
  for (size_t k = 1; k < shards.size(); ++k)
    if (states[k] == nullptr)
      RunForward(policy_, shards[Predecessor(rollouts, k)].output.memory.state, want_state, noise_of(k), shards[k]);
  return shards;
}

std::vector<float> ShardedPolicy::Backward(std::vector<Shard>& shards) {
  pool_.Run(static_cast<int>(shards.size()), [&](int i) { RunBackward(parameters_, shards[static_cast<size_t>(i)]); });
  std::vector<float> sum = std::move(shards[0].gradient);
  for (size_t k = 1; k < shards.size(); ++k)
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += shards[k].gradient[i];
  return sum;
}

}  // namespace lethe::agents
