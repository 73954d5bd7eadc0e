#pragma once

#include <vector>

#include "agents/actor_critic.h"
#include "agents/price_control.h"
#include "agents/student_memory.h"

namespace lethe::agents {

struct ConsolidationOptions {
  double tolerance = 0.02;     ///< eps: allowed KL(teacher || student), nats per episode
  double final_tolerance = 0;  ///< eps falls geometrically to this over the phase; 0: it stays
  double value_weight = 0.1;   ///< of the squared difference of the values
  double alpha_start = 1e-8, alpha_min = 1e-9, alpha_max = 1;
  double alpha_rate = 0.03;  ///< how fast alpha follows the KL
  double averaging = 0.95;   ///< of the KL per episode
  double budget = 0;         ///< a layer with no more living memories than this is not charged; 0: all are
  double layer_factor = 2;   ///< price of a layer's memories relative to the layer below
  double layer_delay = 0.2;  ///< share of the phase after which the next lower layer is charged too
  double ramp = 1;           ///< R, part of the charge
};

/// Alpha, the price of memory, by PriceControl: it rises while the student agrees with its teacher and falls when it
/// does not.
class MemoryPrice {
 public:
  explicit MemoryPrice(const ConsolidationOptions& options)
      : options_(options),
        control_({options.alpha_rate, options.averaging, options.alpha_min, options.alpha_max}, options.alpha_start,
                 0) {}

  /// kl_sum: over the steps of one update; episodes: finished in it; progress in [0, 1]: share of the phase done.
  void Update(double kl_sum, int64_t episodes, double progress);

  /// eps at this point: a generous start finds out quickly what can be forgotten, a strict end restores the score.
  double Tolerance(double progress) const;

  /// Says how many layers are charged from now on. Alpha starts again when one more joins: what was a fair price for
  /// memories that nobody needed would erase the layer that just joined before the KL could object.
  void Charge(int64_t layers);

  double alpha() const { return control_.price(); }
  double kl() const { return control_.cost(); }  ///< averaged, nats per episode
  /// What a checkpoint keeps.
  struct State {
    double alpha = 0, kl = 0, pending_kl = 0, pending_episodes = 0;
    int64_t charged_layers = 0;
  };
  State state() const { return {alpha(), kl(), pending_kl_, pending_episodes_, charged_layers_}; }
  void Restore(const State& s) {
    control_.Restore(s.alpha, s.kl);
    pending_kl_ = s.pending_kl, pending_episodes_ = s.pending_episodes, charged_layers_ = s.charged_layers;
  }
  /// Nats per episode of the latest update in which one finished, with what was pending.
  double latest() const { return latest_; }
  double pending_kl() const { return pending_kl_; }
  double pending_episodes() const { return pending_episodes_; }

 private:
  ConsolidationOptions options_;
  PriceControl control_;  // the cost is the KL per episode
  double pending_kl_ = 0, pending_episodes_ = 0, latest_ = 0;
  int64_t charged_layers_ = 0;
};

/// What every layer pays per step of mean span, lowest first. The highest layer is charged first: its memories are
/// mixtures of what lower layers have read, so they are hard to tell apart and tend to be kept all or not at all; the
/// lowest layer remembers observations themselves and learns to keep only those that matter, once it alone must.
std::vector<double> LayerPrices(const ConsolidationOptions& options, double alpha, double progress, size_t layers);

/// One consolidation update: the teacher acted in the rollouts; the student replays them with its own memory and learns
/// to agree while every layer, but for those within the budget, is charged its price times R times the mean span of its
/// new memories; without `charges` memory is free.
UpdateReport ConsolidationUpdate(const std::vector<Rollout>& rollouts, const ConsolidationOptions& options,
                                 double progress, ShardedPolicy& student, std::span<float> parameters,
                                 Optimizer& optimizer, MemoryPrice& price, StudentMemory& memories,
                                 bool charges = true);

}  // namespace lethe::agents
