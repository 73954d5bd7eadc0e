#pragma once

#include <vector>

#include "agents/actor_critic.h"
#include "agents/student_memory.h"

namespace lethe::agents {

struct CloningOptions {
  double value_weight = 0.5;  ///< of the squared error of the values, so that learning by reward can follow
  double explain_weight = 0;  ///< of the cross-entropy of what the scout is after, where rollouts have it
};

/// One update of behavioural cloning, of the oracle's own episodes or of its advice to the policy that acted (DAgger,
/// Ross et al. 2011), the same for all rollouts: the policy replays the rollouts with its own memory, learns the
/// oracle's actions (Rollout::advice) or whatever is as good (Rollout::ties), and the values of what whoever acted got.
/// `memories` are the policy's over the oracle's rollouts; those of its own bring the memory they were acted with.
/// Spans are charged as in learning (actor_critic.span_*). The report's policy_loss, -log of the summed probability of
/// what is right, and explanation_loss are in nats per step.
UpdateReport CloningUpdate(const std::vector<Rollout>& rollouts, const CloningOptions& options,
                           const ActorCriticOptions& actor_critic, double progress, ShardedPolicy& policy,
                           std::span<float> parameters, Optimizer& optimizer, StudentMemory& memories);

}  // namespace lethe::agents
