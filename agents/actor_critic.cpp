#include "agents/actor_critic.h"

#include <algorithm>
#include <cmath>

#include "agents/credit.h"

namespace lethe::agents {

namespace {

struct Moments {
  double mean = 0, deviation = 1;
  int64_t steps = 0;
};

Moments Measure(const std::vector<Shard>& shards, const std::vector<Credit>& credits,
                std::vector<float> Credit::*what) {
  double sum = 0, square = 0;
  Moments m;
  for (size_t k = 0; k < shards.size(); ++k) {
    const Rollout& r = *shards[k].rollout;
    for (int64_t row = 0; row < r.rows; ++row)
      for (int64_t t = 0; t < r.unroll; ++t) {
        if (!HasLoss(r, row, t)) continue;
        const double x = (credits[k].*what)[static_cast<size_t>(row * r.unroll + t)];
        sum += x, square += x * x, ++m.steps;
      }
  }
  const double n = static_cast<double>(std::max<int64_t>(m.steps, 1));
  m.mean = sum / n;
  m.deviation = std::sqrt(std::max(0.0, square / n - m.mean * m.mean));
  return m;
}

void FillGradients(Shard& shard, const Credit& credit, const Moments& moments, const LossWeights& weights,
                   const ActorCriticOptions& options, LossSums& sums) {
  const Rollout& r = *shard.rollout;
  const double scale = 1 / static_cast<double>(std::max<int64_t>(moments.steps, 1));
  for (int64_t row = 0; row < r.rows; ++row) {
    for (int64_t t = 0; t < r.unroll; ++t) {
      if (!HasLoss(r, row, t)) continue;
      const auto at = static_cast<size_t>(row * r.unroll + t);
      double advantage = credit.advantages[at];
      if (options.normalise_advantages) advantage = (advantage - moments.mean) / (moments.deviation + 1e-8);
      const auto slot = static_cast<size_t>(t * r.rows + row);
      const double acting_value = r.head[(slot + 1) * static_cast<size_t>(r.num_actions + 1) - 1];
      ActorCriticStep(shard.Head(row, t), {r.actions[slot], advantage, credit.targets[at], acting_value}, weights,
                      scale, shard.GradHead(row, t), sums);
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

void ChargeSpans(const ActorCriticOptions& options, std::vector<Shard>& shards) {
  const double share = 1 / static_cast<double>(shards.size());
  for (Shard& shard : shards) {
    shard.grad_aux_loss = share;
    if (options.span_loss == "ramp") {
      shard.grad_ramp_sum =
          share * options.span_weight / (options.ramp * options.block * static_cast<double>(shard.rollout->rows));
    } else if (options.span_weight > 0) {
      shard.grad_span_mean.assign(shard.output.memory.spans.size(), share * options.span_weight);
    }
  }
}

UpdateReport FinishUpdate(std::vector<Shard>& shards, const LossSums& sums, double progress, ShardedPolicy& policy,
                          std::span<float> parameters, Optimizer& optimizer) {
  const auto gradient = policy.Backward(shards);
  UpdateReport report;
  report.learning_rate = optimizer.rate(progress);
  report.grad_norm = optimizer.Step(parameters, gradient, progress);
  const double n = static_cast<double>(std::max<int64_t>(sums.steps, 1));
  report.policy_loss = sums.policy / n;
  report.value_loss = sums.value / n;
  report.entropy = sums.entropy / n;
  for (const double nats : sums.explanation) report.explanation_loss.push_back(nats / n);
  ReportMemory(shards, report);
  return report;
}

UpdateReport ActorCriticUpdate(const std::vector<Rollout>& rollouts, const ActorCriticOptions& options, double progress,
                               ShardedPolicy& policy, std::span<float> parameters, Optimizer& optimizer) {
  auto shards = policy.Forward(rollouts, ActingStates(rollouts), false);
  std::vector<Credit> credits;
  for (const Shard& shard : shards) credits.push_back(AssignCredit(shard, options.returns));
  const Moments moments = Measure(shards, credits, &Credit::advantages);
  LossWeights weights = options.loss;
  if (options.normalise_values) {
    const double deviation = std::max(1.0, Measure(shards, credits, &Credit::targets).deviation);
    weights.value /= deviation * deviation;
  }
  LossSums sums;
  for (size_t k = 0; k < shards.size(); ++k) FillGradients(shards[k], credits[k], moments, weights, options, sums);
  ChargeSpans(options, shards);
  UpdateReport report = FinishUpdate(shards, sums, progress, policy, parameters, optimizer);
  report.span_weight = options.span_weight;
  report.ratio_mean = 0;
  const double steps = static_cast<double>(std::max<int64_t>(sums.steps, 1));
  for (const Credit& credit : credits) report.ratio_mean += credit.ratio_sum / steps;
  return report;
}

}  // namespace lethe::agents
