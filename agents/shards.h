#pragma once

#include <functional>
#include <vector>

#include "agents/flat_parameters.h"
#include "agents/policy.h"
#include "agents/rollout.h"
#include "agents/worker_pool.h"
#include "memory/torch.h"

namespace lethe::agents {

/// One rollout on its way through the learner: forward fills `output` and `head`, a loss fills `grad_*`, backward
/// fills `gradient`.
struct Shard {
  const Rollout* rollout = nullptr;
  Policy::Output output;
  std::vector<float> head;              ///< [B, T + 1, actions + 1]
  std::vector<float> grad_head;         ///< d(loss)/d(head)
  std::vector<float> explanation;       ///< [B, T + 1, logits] as Policy::Output has it; empty: the rollout has none
  std::vector<float> grad_explanation;  ///< d(loss)/d(explanation)
  std::vector<double> grad_span_mean;   ///< d(loss)/d(span_mean), per layer; empty: none
  double grad_ramp_sum = 0;             ///< d(loss)/d(ramp_sum), alike for all rows
  double grad_aux_loss = 0;             ///< d(loss)/d(aux_loss) of the core
  std::vector<float> gradient;          ///< flat

  int64_t slots() const { return rollout->unroll + 1; }
  int64_t width() const { return rollout->num_actions + 1; }
  /// Logits and value of row b at slot t, and where their gradient goes.
  std::span<const float> Head(int64_t row, int64_t slot) const {
    return {head.data() + (row * slots() + slot) * width(), static_cast<size_t>(width())};
  }
  std::span<float> GradHead(int64_t row, int64_t slot) {
    return {grad_head.data() + (row * slots() + slot) * width(), static_cast<size_t>(width())};
  }
  /// The same of the explanation, and what the scout said.
  std::span<const float> Explanation(int64_t row, int64_t slot) const {
    return std::span(explanation).subspan(FirstLogit(row, slot), NumLogits());
  }
  std::span<float> GradExplanation(int64_t row, int64_t slot) {
    return std::span(grad_explanation).subspan(FirstLogit(row, slot), NumLogits());
  }
  std::span<const uint8_t> Said(int64_t row, int64_t slot) const {
    const size_t tokens = rollout->explanation.size() / static_cast<size_t>(rollout->unroll * rollout->rows);
    return std::span(rollout->explanation).subspan(static_cast<size_t>(slot * rollout->rows + row) * tokens, tokens);
  }

 private:
  size_t NumLogits() const { return explanation.size() / static_cast<size_t>(rollout->rows * slots()); }
  size_t FirstLogit(int64_t row, int64_t slot) const { return static_cast<size_t>(row * slots() + slot) * NumLogits(); }
};

/// The memories the rollouts were acted with, for ShardedPolicy::Forward.
std::vector<memory::StatePtr> ActingStates(const std::vector<Rollout>& rollouts);

/// Replays rollouts through a policy with gradients, a thread per rollout, and sums what they give in a fixed order.
class ShardedPolicy {
 public:
  ShardedPolicy(const Policy& policy, const FlatParameters& parameters, WorkerPool& pool)
      : policy_(policy), parameters_(parameters), pool_(pool) {}

  /// states: memory before each rollout; null: what the actor's rollout before it in this batch leaves (want_state).
  /// The heads' gradients come back zeroed.
  std::vector<Shard> Forward(const std::vector<Rollout>& rollouts, const std::vector<memory::StatePtr>& states,
                             bool want_state);

  const Policy& policy() const { return policy_; }

  /// What training draws at random from now on (Core::Forward), another number for every shard; 0: nothing.
  void SetNoise(uint64_t noise) { noise_ = noise; }

  /// Sum of the shards' gradients, in order of the shards.
  std::vector<float> Backward(std::vector<Shard>& shards);

 private:
  const Policy& policy_;
  const FlatParameters& parameters_;
  WorkerPool& pool_;
  uint64_t noise_ = 0;
};

}  // namespace lethe::agents
