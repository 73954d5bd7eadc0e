#include "agents/credit.h"

#include <cmath>

#include "agents/losses.h"

namespace lethe::agents {

namespace {

/// Probability of the action now over probability when it was taken. Exactly 1 on-policy would need the actor's and the
/// learner's arithmetic to agree bit for bit; it is 1 up to rounding.
float Ratio(const Rollout& r, const Shard& shard, int64_t row, int64_t t) {
  const int64_t at = t * r.rows + row;
  const int action = r.actions[static_cast<size_t>(at)];
  const auto actions = static_cast<size_t>(r.num_actions);
  const std::span<const float> behaviour{r.head.data() + at * (r.num_actions + 1), actions};
  return std::exp(LogProbability(shard.Head(row, t).first(actions), action) - LogProbability(behaviour, action));
}

}  // namespace

Credit AssignCredit(const Shard& shard, const ReturnConstants& constants, Behaviour behaviour) {
  const Rollout& r = *shard.rollout;
  const auto steps = static_cast<size_t>(r.unroll);
  Credit credit;
  credit.targets.resize(steps * static_cast<size_t>(r.rows));
  credit.advantages.resize(credit.targets.size());
  std::vector<float> rewards(steps), values(steps + 1), ratios(steps);
  std::vector<uint8_t> terminated(steps), is_last(steps);
  for (int64_t row = 0; row < r.rows; ++row) {
    for (size_t t = 0; t < steps; ++t) {
      const size_t at = t * static_cast<size_t>(r.rows) + static_cast<size_t>(row);
      rewards[t] = r.rewards[at];
      terminated[t] = r.terminated[at];
      is_last[t] = r.is_last[at];
      values[t] = shard.Head(row, static_cast<int64_t>(t)).back();
      const bool has_ratio = is_last[t] == 0 && behaviour == Behaviour::kOwn;
      ratios[t] = has_ratio ? Ratio(r, shard, row, static_cast<int64_t>(t)) : 1.0f;
      credit.ratio_sum += is_last[t] != 0 ? 0.0 : ratios[t];
    }
    values[steps] = shard.Head(row, r.unroll).back();
    const size_t offset = static_cast<size_t>(row) * steps;
    Returns({rewards, values, ratios, terminated, is_last}, constants, {&credit.targets[offset], steps},
            {&credit.advantages[offset], steps});
  }
  return credit;
}

}  // namespace lethe::agents
