#pragma once

#include "memory/core.h"
#include "memory/core_options.h"

namespace lethe::memory {

struct NoneOptions : CoreOptions {
  int64_t layers = 2;  ///< 0: the identity
  int64_t ffn = 256;   ///< [F]
  double dropout = 0;  ///< of hidden units, in training

  void Visit(OptionVisitor& visit) override;
  void Check() const override;
  std::shared_ptr<Core> Make() const override;
};

/// No memory at all: the control. Every step goes through layers y = x + ff2(relu(ff1(LN x))) on its own, so whatever
/// this scores, a task gives away without being remembered.
class None : public Core {
 public:
  /// Errors: std::invalid_argument naming the option, its value and the allowed range.
  explicit None(const NoneOptions& options);

  int64_t dim() const override { return options_.dim; }
  StatePtr Start(int64_t rows) const override;
  BlockOutput Forward(const torch::Tensor& x, const torch::Tensor& episode_start, const StatePtr& state,
                      int64_t lookahead = 0, bool want_state = false, uint64_t noise = 0,
                      const Between& between = {}) const override;
  std::unique_ptr<Stepper> Begin(const StatePtr& state, int64_t steps, Between between = {}) const override;
  StatePtr Restore(const TensorMap& saved) const override;
  StatePtr Gather(const StatePtr& state, const std::vector<int64_t>& rows) const override;
  Flops CountFlops(int64_t block, double living) const override;

 private:
  struct Layer {
    torch::Tensor norm, norm_bias, ff1, ff1_bias, ff2, ff2_bias;
  };

  const NoneOptions options_;
  std::vector<Layer> layers_;
  torch::Tensor type_;  ///< a buffer: its type and device are the core's, also without layers
};

}  // namespace lethe::memory
