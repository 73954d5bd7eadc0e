#include "agents/consolidation.h"

#include <algorithm>
#include <cmath>
#include <set>

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
  control_.Update(now, Tolerance(progress));
}

void MemoryPrice::Charge(int64_t layers) {
  if (layers > charged_layers_) control_.Restore(options_.alpha_start, control_.cost());
  charged_layers_ = layers;
}

std::vector<double> LayerPrices(const ConsolidationOptions& options, double alpha, double progress, size_t layers) {
  std::vector<double> prices(layers, 0.0);
  for (size_t l = 0; l < layers; ++l) {
    const double from_top = static_cast<double>(layers - 1 - l);
    if (progress >= from_top * options.layer_delay)
      prices[l] = alpha * std::pow(options.layer_factor, static_cast<double>(l));
  }
  return prices;
}

UpdateReport ConsolidationUpdate(const std::vector<Rollout>& rollouts, const ConsolidationOptions& options,
                                 double progress, ShardedPolicy& student, std::span<float> parameters,
                                 Optimizer& optimizer, MemoryPrice& price, StudentMemory& memories) {
  std::vector<memory::StatePtr> states;
  std::set<int> seen;
  int64_t episodes = 0, steps = 0;
  for (const Rollout& rollout : rollouts) {
    const auto known = memories.find(rollout.actor);
    const bool follows =
        !seen.insert(rollout.actor).second;  // an actor that ran ahead: two of its rollouts in one update
    states.push_back(follows ? nullptr : known != memories.end() ? known->second : rollout.memory);
    episodes += static_cast<int64_t>(rollout.episodes.size());
    steps += rollout.env_steps;
  }
  auto shards = student.Forward(rollouts, states, true);
  const double scale = 1 / static_cast<double>(std::max<int64_t>(episodes, 1));
  const double value_scale = 1 / static_cast<double>(std::max<int64_t>(steps, 1));
  const size_t layers = shards[0].output.memory.spans.size();
  const auto shares = LayerPrices(options, 1, progress, layers);
  price.Charge(static_cast<int64_t>(layers) - std::count(shares.begin(), shares.end(), 0.0));
  LossSums sums;
  for (Shard& shard : shards) {
    const Rollout& r = *shard.rollout;
    memories[r.actor] = shard.output.memory.state;
    for (int64_t row = 0; row < r.rows; ++row) {
      for (int64_t t = 0; t < r.unroll; ++t) {
        const int64_t at = t * r.rows + row;
        if (r.is_last[static_cast<size_t>(at)] != 0) continue;
        const std::span<const float> teacher{r.head.data() + at * (r.num_actions + 1),
                                             static_cast<size_t>(r.num_actions + 1)};
        DistillStep(teacher, shard.Head(row, t), options.value_weight, scale, value_scale, shard.GradHead(row, t),
                    sums);
      }
    }
    shard.grad_span_mean = LayerPrices(options, price.alpha(), progress, layers);
    for (double& x : shard.grad_span_mean) x *= options.ramp / static_cast<double>(shards.size());
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
