#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace lethe::agents {

struct OptimizerOptions {
  std::string kind = "adam";  ///< adam or rmsprop
  double learning_rate = 1e-3;
  double beta1 = 0.9;    ///< adam: decay of the mean
  double beta2 = 0.999;  ///< decay of the mean square; rmsprop's alpha
  double epsilon = 1e-8;
  double max_grad_norm = 0.5;         ///< gradients are scaled down to this norm; 0: never
  double warmup_updates = 0;          ///< the rate grows linearly over so many updates
  std::string schedule = "constant";  ///< constant, or to 0 at the phase's last step: linear, cosine (half a period)
};

/// Adam (arXiv:1412.6980) or RMSProp on one flat array of parameters. Deterministic: one thread, fixed order.
class Optimizer {
 public:
  /// rate_scale: per parameter, multiplies the learning rate (spans learn slower); empty: all 1.
  Optimizer(OptimizerOptions options, size_t parameters, std::vector<float> rate_scale = {});

  /// One step. `progress` in [0, 1] is the share of the phase that is done, for the schedule.
  /// Returns the norm of the gradient before clipping; with a norm that is not finite nothing is changed.
  double Step(std::span<float> parameters, std::span<const float> gradient, double progress);

  int64_t updates() const { return updates_; }
  double rate(double progress) const;

  /// Saved state: the moments and the count.
  std::vector<float>& mean() { return mean_; }
  std::vector<float>& square() { return square_; }
  void set_updates(int64_t updates) { updates_ = updates; }

 private:
  const OptimizerOptions options_;
  const std::vector<float> rate_scale_;
  std::vector<float> mean_, square_;
  int64_t updates_ = 0;
};

}  // namespace lethe::agents
