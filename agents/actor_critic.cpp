#include "agents/actor_critic.h"

#include <algorithm>
#include <cmath>

namespace lethe::agents {

namespace {

/// Targets and advantages of one shard, [B, T].
struct Credit {
  std::vector<float> targets, advantages;
  double ratio_sum = 0;
};

/// Probability of the action now over probability when it was taken. Exactly 1 on-policy would need the actor's and the
/// learner's arithmetic to agree bit for bit; it is 1 up to rounding.
float Ratio(const Rollout& r, const Shard& shard, int64_t row, int64_t t) {
  const int64_t at = t * r.rows + row;
  const int action = r.actions[static_cast<size_t>(at)];
  const auto actions = static_cast<size_t>(r.num_actions);
  const std::span<const float> behaviour{r.head.data() + at * (r.num_actions + 1), actions};
  return std::exp(LogProbability(shard.Head(row, t).first(actions), action) - LogProbability(behaviour, action));
}

Credit Assign(const Shard& shard, const ReturnConstants& constants) {
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
      ratios[t] = is_last[t] != 0 ? 1.0f : Ratio(r, shard, row, static_cast<int64_t>(t));
      credit.ratio_sum += is_last[t] != 0 ? 0.0 : ratios[t];
    }
    values[steps] = shard.Head(row, r.unroll).back();
    const size_t offset = static_cast<size_t>(row) * steps;
    Returns({rewards, values, ratios, terminated, is_last}, constants, {&credit.targets[offset], steps},
            {&credit.advantages[offset], steps});
  }
  return credit;
}

bool HasLoss(const Rollout& r, int64_t row, int64_t t) { return r.is_last[static_cast<size_t>(t * r.rows + row)] == 0; }

struct Moments {
  double mean = 0, deviation = 1;
  int64_t steps = 0;
};

Moments Measure(const std::vector<Shard>& shards, const std::vector<Credit>& credits) {
  double sum = 0, square = 0;
  Moments m;
  for (size_t k = 0; k < shards.size(); ++k) {
    const Rollout& r = *shards[k].rollout;
    for (int64_t row = 0; row < r.rows; ++row)
      for (int64_t t = 0; t < r.unroll; ++t) {
        if (!HasLoss(r, row, t)) continue;
        const double a = credits[k].advantages[static_cast<size_t>(row * r.unroll + t)];
        sum += a, square += a * a, ++m.steps;
      }
  }
  const double n = static_cast<double>(std::max<int64_t>(m.steps, 1));
  m.mean = sum / n;
  m.deviation = std::sqrt(std::max(0.0, square / n - m.mean * m.mean));
  return m;
}

void FillGradients(Shard& shard, const Credit& credit, const Moments& moments, const ActorCriticOptions& options,
                   LossSums& sums) {
  const Rollout& r = *shard.rollout;
  const double scale = 1 / static_cast<double>(std::max<int64_t>(moments.steps, 1));
  for (int64_t row = 0; row < r.rows; ++row) {
    for (int64_t t = 0; t < r.unroll; ++t) {
      if (!HasLoss(r, row, t)) continue;
      const auto at = static_cast<size_t>(row * r.unroll + t);
      double advantage = credit.advantages[at];
      if (options.normalise_advantages) advantage = (advantage - moments.mean) / (moments.deviation + 1e-8);
      ActorCriticStep(shard.Head(row, t), r.actions[static_cast<size_t>(t * r.rows + row)], advantage,
                      credit.targets[at], options.loss, scale, shard.GradHead(row, t), sums);
    }
  }
}

}  // namespace

void ReportMemory(const std::vector<Shard>& shards, UpdateReport& report) {
  for (const Shard& shard : shards) {
    const auto& memory = shard.output.memory;
    const size_t layers = memory.living.sum.size();
    report.living.sum.resize(layers), report.living.max.resize(layers), report.span_mean.resize(memory.spans.size());
    for (size_t l = 0; l < layers; ++l) {
      report.living.sum[l] += memory.living.sum[l];
      report.living.max[l] = std::max(report.living.max[l], memory.living.max[l]);
    }
    for (size_t l = 0; l < memory.spans.size(); ++l) {
      report.span_mean[l] += memory.spans[l].mean().item<double>() / static_cast<double>(shards.size());
      const torch::Tensor some = memory.spans[l].select(1, 0).to(torch::kFloat).cpu().contiguous();
      report.span_sample.insert(report.span_sample.end(), some.const_data_ptr<float>(),
                                some.const_data_ptr<float>() + some.numel());
    }
    report.living.steps += memory.living.steps;
    for (const int64_t n : shard.rollout->memory->resident()) report.resident += n;
    report.bytes += shard.rollout->memory->bytes();
  }
}

UpdateReport ActorCriticUpdate(const std::vector<Rollout>& rollouts, const ActorCriticOptions& options, double progress,
                               ShardedPolicy& policy, std::span<float> parameters, Optimizer& optimizer) {
  std::vector<memory::StatePtr> states;
  for (const Rollout& rollout : rollouts) states.push_back(rollout.memory);
  auto shards = policy.Forward(rollouts, states, false);
  std::vector<Credit> credits;
  for (const Shard& shard : shards) credits.push_back(Assign(shard, options.returns));
  const Moments moments = Measure(shards, credits);
  LossSums sums;
  for (size_t k = 0; k < shards.size(); ++k) {
    FillGradients(shards[k], credits[k], moments, options, sums);
    const double share = 1 / static_cast<double>(shards.size());
    shards[k].grad_aux_loss = share;
    if (options.span_loss == "ramp") {
      const double rows = static_cast<double>(shards[k].rollout->rows);
      shards[k].grad_ramp_sum = share * options.span_weight / (options.ramp * options.block * rows);
    } else if (options.span_weight > 0) {
      shards[k].grad_span_mean.assign(shards[k].output.memory.spans.size(), share * options.span_weight);
    }
  }
  const auto gradient = policy.Backward(shards);
  UpdateReport report;
  report.learning_rate = optimizer.rate(progress);
  report.grad_norm = optimizer.Step(parameters, gradient, progress);
  const double n = static_cast<double>(std::max<int64_t>(sums.steps, 1));
  report.policy_loss = sums.policy / n;
  report.value_loss = sums.value / n;
  report.entropy = sums.entropy / n;
  report.span_weight = options.span_weight;
  report.ratio_mean = 0;
  for (const Credit& credit : credits) report.ratio_mean += credit.ratio_sum / n;
  ReportMemory(shards, report);
  return report;
}

}  // namespace lethe::agents
