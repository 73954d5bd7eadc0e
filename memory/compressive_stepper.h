#pragma once

#include <memory>
#include <vector>

#include "memory/compressive.h"

namespace lethe::memory {

/// One unroll of a compressive memory, step by step: keys and values are projected once, groups when they come in
/// sight.
class CompressiveStepper : public Stepper {
 public:
  /// The core must outlive it.
  CompressiveStepper(const Compressive& core, std::shared_ptr<const CompressiveState> state, int64_t steps,
                     Between between);

  torch::Tensor Step(const torch::Tensor& x, const uint8_t* episode_start, Trace* trace) override;
  std::vector<std::vector<int32_t>> Living() const override;
  std::vector<std::vector<double>> Spans() const override { return {}; }
  StatePtr Finish() override;

 private:
  struct Layer {
    torch::Tensor steps, step_k, step_v;  // [B, L + steps, .]
    torch::Tensor slots, slot_k, slot_v;  // [B, C + 1 + steps, .]
  };
  /// Enters the episodes of the step and, for rows where a group comes in sight, its time. True if there is any.
  bool EnterStep(const uint8_t* episode_start);
  torch::Tensor StepLayer(size_t layer, const torch::Tensor& x, const Compressive::View& view, bool new_group,
                          Trace* trace);
  Trace::Layer TraceLayer(const Compressive::View& view, const torch::Tensor& weights) const;

  const Compressive& core_;
  const std::shared_ptr<const CompressiveState> state_;
  const int64_t steps_;
  const Between between_;
  int64_t step_ = 0, slots_;  // steps taken, slots filled
  torch::Tensor begin_;       // [B] i64: where each row's episode began, counted from the unroll's first step
  torch::Tensor slot_time_, step_time_;  // [B, C + 1 + steps], [B, L + steps]
  torch::Tensor living_;                 // [B]
  std::vector<Layer> layers_;
};

}  // namespace lethe::memory
