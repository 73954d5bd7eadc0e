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
  latest_ = pending_kl_ / pending_episodes_;
  pending_kl_ = pending_episodes_ = 0;
  control_.Update(latest_, Tolerance(progress));
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

namespace {

/// Living memories of each layer, mean over the steps of all shards.
std::vector<double> LivingOf(const std::vector<Shard>& shards) {
  std::vector<double> living(shards[0].output.memory.living.sum.size());
  double steps = 0;
  for (const Shard& shard : shards) {
    const memory::LivingStats& own = shard.output.memory.living;
    steps += static_cast<double>(own.steps);
    for (size_t l = 0; l < living.size(); ++l) living[l] += own.sum[l];
  }
  for (double& layer : living) layer /= steps;
  return living;
}

}  // namespace

UpdateReport ConsolidationUpdate(const std::vector<Rollout>& rollouts, const ConsolidationOptions& options,
                                 double progress, ShardedPolicy& student, std::span<float> parameters,
                                 Optimizer& optimizer, MemoryPrice& price, StudentMemory& memories, bool charges) {
  int64_t episodes = 0, steps = 0;
  for (const Rollout& rollout : rollouts) {
    episodes += static_cast<int64_t>(rollout.episodes.size());
    steps += rollout.env_steps;
  }
  auto shards = student.Forward(rollouts, StatesBefore(rollouts, memories), true);
  KeepStates(shards, memories);
  const double scale = 1 / static_cast<double>(std::max<int64_t>(episodes, 1));
  const double value_scale = 1 / static_cast<double>(std::max<int64_t>(steps, 1));
  const size_t layers = shards[0].output.memory.spans.size();
  const auto shares = LayerPrices(options, 1, progress, layers);
  price.Charge(static_cast<int64_t>(layers) - std::count(shares.begin(), shares.end(), 0.0));
  const std::vector<double> living = LivingOf(shards);
  std::vector<double> prices = LayerPrices(options, price.alpha(), progress, layers);
  for (size_t l = 0; l < layers; ++l)
    prices[l] *= !charges || living[l] <= options.budget ? 0 : options.ramp / static_cast<double>(shards.size());
  LossSums sums;
  for (Shard& shard : shards) {
    const Rollout& r = *shard.rollout;
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
    shard.grad_span_mean = prices;
  }
  UpdateReport report = FinishUpdate(shards, sums, progress, student, parameters, optimizer);
  price.Update(sums.kl, episodes, progress);
  report.kl_now = price.latest();
  report.kl = price.kl();
  report.span_weight = charges ? price.alpha() : 0;
  return report;
}

}  // namespace lethe::agents
