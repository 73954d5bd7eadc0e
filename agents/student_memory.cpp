#include "agents/student_memory.h"

#include <set>

namespace lethe::agents {

std::vector<memory::StatePtr> StatesBefore(const std::vector<Rollout>& rollouts, const StudentMemory& memories) {
  std::vector<memory::StatePtr> states;
  std::set<int> seen;
  for (const Rollout& rollout : rollouts) {
    const auto known = memories.find(rollout.actor);
    const bool follows = !seen.insert(rollout.actor).second;  // an actor that ran ahead
    states.push_back(follows ? nullptr : known != memories.end() ? known->second : rollout.memory);
  }
  return states;
}

void KeepStates(const std::vector<Shard>& shards, StudentMemory& memories) {
  for (const Shard& shard : shards) memories[shard.rollout->actor] = shard.output.memory.state;
}

}  // namespace lethe::agents
