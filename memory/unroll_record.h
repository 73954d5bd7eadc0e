#pragma once

#include <torch/types.h>

#include <memory>
#include <vector>

#include "memory/banked_transformer.h"

namespace lethe::memory {

/// What every stepper of a banked memory keeps of its unroll: the bank as it was, and the inputs and spans of the steps
/// since. Says what a step saw, and makes the state after it.
class UnrollRecord {
 public:
  struct Layer {
    BankView bank;
    torch::Tensor hidden;  ///< [B, steps, H] inputs of the layer
    torch::Tensor span;    ///< [B, steps] f64
  };

  /// At most `steps` steps. The core must outlive the record.
  UnrollRecord(const BankedTransformer& core, std::shared_ptr<const BankedState> state, int64_t steps);

  /// To be called first in each step. Errors: std::logic_error when the steps are used up.
  void BeginStep(const uint8_t* episode_start);
  void EndStep() { ++step_; }

  int64_t rows() const { return state_->rows(); }
  int64_t steps() const { return steps_; }
  int64_t step() const { return step_; }                 ///< steps that have ended
  const torch::Tensor& begin() const { return begin_; }  ///< [B, steps] i32, as EpisodeBegin
  const AttentionConstants& constants() const { return constants_; }
  std::vector<Layer>& layers() { return layers_; }

  /// What the step that has begun saw; weights [B, heads, longest + step + 1].
  Trace::Layer TraceOf(const Layer& layer, const torch::Tensor& weights) const;
  /// Of the last step that ended; empty for cores that do not predict them.
  std::vector<std::vector<double>> Spans() const;
  StatePtr Finish() const;

 private:
  const BankedTransformer& core_;
  const std::shared_ptr<const BankedState> state_;
  const AttentionConstants constants_;
  const int64_t steps_;
  int64_t step_ = 0;
  torch::Tensor begin_;
  std::vector<Layer> layers_;
};

}  // namespace lethe::memory
