#pragma once

#include <numeric>
#include <string>
#include <vector>

#include "agents/losses.h"
#include "agents/optimizer.h"
#include "agents/shards.h"
#include "agents/vtrace.h"

namespace lethe::agents {

/// What an update did, for logs. Means over steps with a loss unless said otherwise.
struct UpdateReport {
  double policy_loss = 0, value_loss = 0, entropy = 0, kl = 0;  ///< kl: per finished episode, averaged
  double kl_now = 0;                                            ///< the same since an episode finished last
  double agreement = 1;  ///< share of steps whose likeliest action is right; cloning only
  double grad_norm = 0;  ///< before clipping; not finite: the update was not applied
  double learning_rate = 0;
  double span_weight = 0;           ///< alpha
  double ratio_mean = 1;            ///< importance ratio; 1 on-policy
  memory::LivingStats living;       ///< of the memory that learns
  std::vector<float> span_sample;   ///< some spans of every layer, for histograms
  std::vector<double> span_mean;    ///< per layer
  int64_t resident = 0, bytes = 0;  ///< stored memories and their bytes, over rows and layers
  /// Nats by which the policy misses what the scout is after, token by token; empty where it was not asked.
  std::vector<double> explanation_loss;
  /// Of all tokens.
  double ExplanationLoss() const { return std::reduce(explanation_loss.begin(), explanation_loss.end()); }
};

struct ActorCriticOptions {
  ReturnConstants returns;
  LossWeights loss;
  bool normalise_advantages = true;
  bool normalise_values = true;  ///< errors of values relative to the deviation of their targets, where it is above 1
  std::string span_loss =
      "all";               ///< all: mean span of new steps (formula); ramp: only pairs on the ramp (published code)
  double span_weight = 0;  ///< alpha; 0: spans are not charged
  double ramp = 1;         ///< R
  double block = 1;        ///< M, for the published charge
};

/// One A2C / IMPALA update: replay, V-trace, loss, backward, optimiser.
UpdateReport ActorCriticUpdate(const std::vector<Rollout>& rollouts, const ActorCriticOptions& options, double progress,
                               ShardedPolicy& policy, std::span<float> parameters, Optimizer& optimizer);

/// What the shards' memories are charged: the published loss, on the ramp alone or over all new memories, and the
/// core's own.
void ChargeSpans(const ActorCriticOptions& options, std::vector<Shard>& shards);

/// The end of any update: backward, one step of the optimiser, and what there is to tell of both and of the memory.
UpdateReport FinishUpdate(std::vector<Shard>& shards, const LossSums& sums, double progress, ShardedPolicy& policy,
                          std::span<float> parameters, Optimizer& optimizer);

}  // namespace lethe::agents
