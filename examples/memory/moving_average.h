#pragma once

#include "memory/core.h"
#include "memory/core_options.h"

namespace lethe::memory {

struct MovingAverageOptions : CoreOptions {
  double initial_decay = 0.9;  ///< share of the average that a step keeps, at first

  void Visit(OptionVisitor& visit) override;
  void Check() const override;
  std::shared_ptr<Core> Make() const override;
};

/// Each channel remembers a moving average of its past: m' = d m + (1 - d) x, y = x + W m', the decay d learned.
/// Parameters: decay [H], of which d is the sigmoid; mix [H, H], the matrix W.
class MovingAverage : public Core {
 public:
  /// Errors: std::invalid_argument naming the option, its value and the allowed range.
  explicit MovingAverage(const MovingAverageOptions& options);

  int64_t dim() const override { return decay_.size(0); }
  StatePtr Start(int64_t rows) const override;
  BlockOutput Forward(const torch::Tensor& x, const torch::Tensor& episode_start, const StatePtr& state,
                      int64_t lookahead = 0, bool want_state = false, uint64_t noise = 0,
                      const Between& between = {}) const override;
  std::unique_ptr<Stepper> Begin(const StatePtr& state, int64_t steps, Between between = {}) const override;
  StatePtr Restore(const TensorMap& saved) const override;
  StatePtr Gather(const StatePtr& state, const std::vector<int64_t>& rows) const override;
  Flops CountFlops(int64_t block, double living) const override;

 private:
  torch::TensorOptions Type() const { return decay_.options().requires_grad(false); }

  torch::Tensor decay_, mix_;
};

}  // namespace lethe::memory
