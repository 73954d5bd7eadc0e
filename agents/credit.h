#pragma once

#include <vector>

#include "agents/shards.h"
#include "agents/vtrace.h"

namespace lethe::agents {

/// Whose actions a rollout holds: those of the policy that learns, as it was when it acted, or somebody else's.
enum class Behaviour { kOwn, kForeign };

/// Targets of the values and advantages of a shard, [B, T].
struct Credit {
  std::vector<float> targets, advantages;
  double ratio_sum = 0;  ///< importance ratios over steps with a loss
};

/// The return formula (Returns) over every row of a replayed shard. Foreign actions have no importance ratio: 1.
Credit AssignCredit(const Shard& shard, const ReturnConstants& constants, Behaviour behaviour = Behaviour::kOwn);

/// False for an episode's last observation.
inline bool HasLoss(const Rollout& r, int64_t row, int64_t t) {
  return r.is_last[static_cast<size_t>(t * r.rows + row)] == 0;
}

}  // namespace lethe::agents
