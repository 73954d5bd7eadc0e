#include "memory/one_step.h"

#include <stdexcept>

#include "memory/check.h"

namespace lethe::memory {

namespace {

using torch::Tensor;

class OneStep : public Stepper {
 public:
  OneStep(const Core& core, StatePtr state, int64_t steps) : core_(core), state_(std::move(state)), left_(steps) {}

  Tensor Step(const Tensor& x, const uint8_t* episode_start, Trace* trace) override {
    const torch::NoGradGuard no_grad;
    if (left_-- <= 0) throw std::logic_error("memory: more steps than the unroll was begun with");
    if (trace != nullptr) trace->layers.clear();
    const Tensor start = torch::from_blob(const_cast<uint8_t*>(episode_start), {state_->rows(), 1}, torch::kByte);
    const BlockOutput output = core_.Forward(x.unsqueeze(1), start, state_, 0, true);
    state_ = output.state;
    return output.y.squeeze(1);
  }
  std::vector<std::vector<int32_t>> Living() const override { return {}; }
  std::vector<std::vector<double>> Spans() const override { return {}; }
  StatePtr Finish() override { return state_; }

 private:
  const Core& core_;
  StatePtr state_;
  int64_t left_;
};

}  // namespace

std::unique_ptr<Stepper> StepByForward(const Core& core, StatePtr state, int64_t steps) {
  Check(steps >= 1, "memory: an unroll must have at least one step, got ", steps);
  return std::make_unique<OneStep>(core, std::move(state), steps);
}

}  // namespace lethe::memory
