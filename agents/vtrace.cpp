#include "agents/vtrace.h"

#include <algorithm>

namespace lethe::agents {

void Returns(const ReturnInput& row, const ReturnConstants& constants, std::span<float> targets,
             std::span<float> advantages) {
  const size_t steps = row.rewards.size();
  double next_advantage = 0;
  for (size_t t = steps; t-- > 0;) {
    if (row.is_last[t] != 0) {
      next_advantage = 0;
      advantages[t] = 0;
      targets[t] = row.values[t];
      continue;
    }
    const bool ended = row.terminated[t] != 0 || (t + 1 < steps && row.is_last[t + 1] != 0);
    const double next_value = row.terminated[t] != 0 ? 0 : row.values[t + 1];
    const double ratio = row.ratios[t];
    const double delta =
        std::min(constants.clip_rho, ratio) * (row.rewards[t] + constants.discount * next_value - row.values[t]);
    const double trace = ended ? 0 : constants.discount * constants.lambda * std::min(constants.clip_c, ratio);
    next_advantage = delta + trace * next_advantage;
    advantages[t] = static_cast<float>(next_advantage);
    targets[t] = static_cast<float>(row.values[t] + next_advantage);
  }
}

}  // namespace lethe::agents
