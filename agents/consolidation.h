#pragma once

#include <map>
#include <vector>

#include "agents/actor_critic.h"

namespace lethe::agents {

struct ConsolidationOptions {
  double tolerance = 0.02;     ///< eps: allowed KL(teacher || student), nats per episode
  double final_tolerance = 0;  ///< eps falls geometrically to this over the phase; 0: it stays
  double value_weight = 0.1;   ///< of the squared difference of the values
  double alpha_start = 1e-8, alpha_min = 1e-9, alpha_max = 1;
  double alpha_rate = 0.03;    ///< how fast alpha follows the KL
  double averaging = 0.95;     ///< of the KL per episode
  double ramp = 1;             ///< R, part of the charge
};

/// Alpha, the price of memory: it rises while the student agrees with its teacher and falls when it does not.
///   alpha *= exp(rate clip((eps - KL) / eps, -2, 1))
class MemoryPrice {
 public:
  explicit MemoryPrice(const ConsolidationOptions& options) : options_(options), alpha_(options.alpha_start) {}

  /// kl_sum: over the steps of one update; episodes: finished in it; progress in [0, 1]: share of the phase done.
  void Update(double kl_sum, int64_t episodes, double progress);

  /// eps at this point: a generous start finds out quickly what can be forgotten, a strict end restores the score.
  double Tolerance(double progress) const;

  double alpha() const { return alpha_; }
  double kl() const { return kl_; }  ///< averaged, nats per episode
  void Restore(double alpha, double kl, double kl_sum, double episodes) { alpha_ = alpha, kl_ = kl, pending_kl_ = kl_sum, pending_episodes_ = episodes; }
  double pending_kl() const { return pending_kl_; }
  double pending_episodes() const { return pending_episodes_; }

 private:
  ConsolidationOptions options_;
  double alpha_;
  double kl_ = 0, pending_kl_ = 0, pending_episodes_ = 0;
};

/// The student's memory: the learner's own, one per actor, carried over that actor's rollouts in order.
using StudentMemory = std::map<int, memory::StatePtr>;

/// One consolidation update: the teacher acted in the rollouts; the student replays them with its own memory and learns
/// to agree while every new memory is charged alpha R mean(e) per layer.
UpdateReport ConsolidationUpdate(const std::vector<Rollout>& rollouts, const ConsolidationOptions& options, double progress,
                                 ShardedPolicy& student, std::span<float> parameters, Optimizer& optimizer,
                                 MemoryPrice& price, StudentMemory& memories);

}  // namespace lethe::agents
