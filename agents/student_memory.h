#pragma once

#include <map>
#include <vector>

#include "agents/shards.h"

namespace lethe::agents {

/// Memory of a policy that learns while somebody else acts, a teacher or an oracle: the learner's own, one per actor,
/// carried over that actor's rollouts in order.
using StudentMemory = std::map<int, memory::StatePtr>;

/// The student's memory before each rollout, for ShardedPolicy::Forward: what it kept, what the rollout began with
/// where it has seen nothing yet, null where an earlier rollout of the same actor stands in the same update.
std::vector<memory::StatePtr> StatesBefore(const std::vector<Rollout>& rollouts, const StudentMemory& memories);

/// Keeps what the replay of the shards' rollouts left.
void KeepStates(const std::vector<Shard>& shards, StudentMemory& memories);

}  // namespace lethe::agents
