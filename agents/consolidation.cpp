#include "agents/consolidation.h"

#include <algorithm>
#include <cmath>

namespace lethe::agents {

double MemoryPrice::Tolerance(double progress) const {
  const double start = options_.tolerance, end = options_.final_tolerance;
  return end > 0 ? start * std::pow(end / start, std::clamp(progress, 0.0, 1.0)) : start;
}

void MemoryPrice::Update(double kl_sum, int64_t episodes, double progress) {
  pending_kl_ += kl_sum;
  pending_episodes_ += static_cast<double>(episodes);
  if (pending_episodes_ == 0) return;  // long episodes: the KL waits for the next one to finish
  const double now = pending_kl_ / pending_episodes_;
  pending_kl_ = pending_episodes_ = 0;
  kl_ = options_.averaging * kl_ + (1 - options_.averaging) * now;
  const double eps = Tolerance(progress);
  const double pull = std::clamp((eps - kl_) / eps, -2.0, 1.0);
  alpha_ = std::clamp(alpha_ * std::exp(options_.alpha_rate * pull), options_.alpha_min, options_.alpha_max);
}

UpdateReport ConsolidationUpdate(const std::vector<Rollout>& rollouts, const ConsolidationOptions& options, double progress,
                                 ShardedPolicy& student, std::span<float> parameters, Optimizer& optimizer,
                                 MemoryPrice& price, StudentMemory& memories) {
  std::vector<memory::StatePtr> states;
  int64_t episodes = 0, steps = 0;
  for (const Rollout& rollout : rollouts) {
    const auto known = memories.find(rollout.actor);
    states.push_back(known != memories.end() ? known->second : rollout.memory);
    episodes += static_cast<int64_t>(rollout.episodes.size());
    steps += rollout.env_steps;
  }
  auto shards = student.Forward(rollouts, states, true);
  const double scale = 1 / static_cast<double>(std::max<int64_t>(episodes, 1));
  const double value_scale = 1 / static_cast<double>(std::max<int64_t>(steps, 1));
  LossSums sums;
  for (Shard& shard : shards) {
    const Rollout& r = *shard.rollout;
    memories[r.actor] = shard.output.memory.state;
    for (int64_t row = 0; row < r.rows; ++row) {
      for (int64_t t = 0; t < r.unroll; ++t) {
        const int64_t at = t * r.rows + row;
        if (r.is_last[static_cast<size_t>(at)] != 0) continue;
        const std::span<const float> teacher{r.head.data() + at * (r.num_actions + 1), static_cast<size_t>(r.num_actions + 1)};
        DistillStep(teacher, shard.Head(row, t), options.value_weight, scale, value_scale, shard.GradHead(row, t), sums);
      }
    }
    shard.grad_span_mean = price.alpha() * options.ramp / static_cast<double>(shards.size());
  }
  const auto gradient = student.Backward(shards);
  UpdateReport report;
  report.learning_rate = optimizer.rate(progress);
  report.grad_norm = optimizer.Step(parameters, gradient, progress);
  price.Update(sums.kl, episodes, progress);
  report.kl = price.kl();
  report.value_loss = sums.value * value_scale;
  report.entropy = sums.entropy * value_scale;
  report.span_weight = price.alpha();
  ReportMemory(shards, report);
  return report;
}

}  // namespace lethe::agents
