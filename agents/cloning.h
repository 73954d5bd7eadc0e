#pragma once

#include <vector>

#include "agents/actor_critic.h"
#include "agents/student_memory.h"

namespace lethe::agents {

struct CloningOptions {
  double value_weight = 0.5;  ///< of the squared error of the values, so that learning by reward can follow
};

/// One update of behavioural cloning: the environment's oracle acted in the rollouts; the policy replays them with its
/// own memory and learns the oracle's actions by cross-entropy, and the values of what the oracle got. Spans are
/// charged as in learning (actor_critic.span_*). The report's policy_loss is the cross-entropy, nats per step.
UpdateReport CloningUpdate(const std::vector<Rollout>& rollouts, const CloningOptions& options,
                           const ActorCriticOptions& actor_critic, double progress, ShardedPolicy& policy,
                           std::span<float> parameters, Optimizer& optimizer, StudentMemory& memories);

}  // namespace lethe::agents
