#pragma once

#include <string>
#include <vector>

#include "agents/actor_critic.h"
#include "agents/student_memory.h"

namespace lethe::agents {

struct CloningOptions {
  std::string actor = "oracle";  ///< oracle: its own episodes are cloned; policy: it acts, and learns what the oracle
                                 ///< would have done where it got to (DAgger, Ross et al. 2011)
  double value_weight = 0.5;     ///< of the squared error of the values, so that learning by reward can follow
};

/// One update of behavioural cloning: the policy replays the rollouts with its own memory, learns the oracle's actions
/// (Rollout::advice) by cross-entropy, and the values of what whoever acted got. `memories` are the policy's over the
/// oracle's rollouts; those of its own bring the memory they were acted with. Spans are charged as in learning
/// (actor_critic.span_*). The report's policy_loss is the cross-entropy, nats per step.
UpdateReport CloningUpdate(const std::vector<Rollout>& rollouts, const CloningOptions& options,
                           const ActorCriticOptions& actor_critic, double progress, ShardedPolicy& policy,
                           std::span<float> parameters, Optimizer& optimizer, StudentMemory& memories);

}  // namespace lethe::agents
