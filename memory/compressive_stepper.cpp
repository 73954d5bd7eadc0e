#include "memory/compressive_stepper.h"

#include <stdexcept>

#include "memory/check_block.h"

namespace lethe::memory {

using torch::Tensor;

CompressiveStepper::CompressiveStepper(const Compressive& core, std::shared_ptr<const CompressiveState> state,
                                       int64_t steps, Between between)
    : core_(core),
      state_(std::move(state)),
      steps_(steps),
      between_(std::move(between)),
      slots_(core.options().slots + 1),
      begin_(state_->start() - state_->clock()) {
  const torch::NoGradGuard no_grad;
  const int64_t rows = state_->rows(), L = core.options().memory_length;
  slot_time_ = torch::constant_pad_nd(core.StoredSlotTimes(*state_), {0, steps}, kNever).contiguous();
  step_time_ = torch::cat({core.StoredStepTimes(*state_), torch::arange(steps, torch::kLong).expand({rows, steps})}, 1);
  for (size_t l = 0; l < core.layers().size(); ++l) {
    const auto& stored = state_->layers()[l];
    const auto extended = [&](const Tensor& x) { return torch::constant_pad_nd(x, {0, 0, 0, steps}).contiguous(); };
    const auto [slot_k, slot_v] =
        core.KeysAndValues(core.layers()[l], stored.slots, core.MiddleTime(slot_time_.slice(1, 0, slots_)));
    const auto [step_k, step_v] = core.KeysAndValues(core.layers()[l], stored.steps, step_time_.slice(1, 0, L));
    layers_.push_back({extended(stored.steps), extended(step_k), extended(step_v), extended(stored.slots),
                       extended(slot_k), extended(slot_v)});
  }
}

bool CompressiveStepper::EnterStep(const uint8_t* episode_start) {
  bool any = false;
  int64_t* begin = begin_.data_ptr<int64_t>();
  const int64_t first = step_ - core_.options().memory_length;  // the oldest step in sight
  for (int64_t row = 0; row < state_->rows(); ++row) {
    if (episode_start[row] != 0) begin[row] = step_;
    if (first < begin[row] || (first - begin[row]) % core_.options().rate != 0) continue;
    slot_time_.data_ptr<int64_t>()[row * slot_time_.size(1) + slots_] = first;
    any = true;
  }
  return any;
}

Tensor CompressiveStepper::Step(const Tensor& input, const uint8_t* episode_start, Trace* trace) {
  const torch::NoGradGuard no_grad;
  if (step_ >= steps_) throw std::logic_error("memory: more steps than the unroll was begun with");
  if (trace != nullptr) trace->layers.clear();
  const bool new_group = EnterStep(episode_start);
  if (new_group) ++slots_;
  const Compressive::View view =
      core_.See(slot_time_.slice(1, 0, slots_), step_time_.slice(1, step_, step_ + core_.options().memory_length),
                torch::full({1}, step_, torch::kLong), begin_.unsqueeze(1));
  living_ = view.seen.sum(2).squeeze(1);
  Tensor x = input;
  for (size_t l = 0; l < layers_.size(); ++l) {
    x = StepLayer(l, x, view, new_group, trace);
    if (between_ && l + 1 < layers_.size()) x = AddBetween(between_, l, x);
  }
  ++step_;
  return core_.stack().FinishStack(x);
}

Tensor CompressiveStepper::StepLayer(size_t l, const Tensor& x, const Compressive::View& view, bool new_group,
                                     Trace* trace) {
  const TransformerLayer& layer = core_.layers()[l];
  const int64_t L = core_.options().memory_length;
  Layer& b = layers_[l];
  if (new_group) {
    const Tensor slot =
        core_.Compress(l, b.steps.slice(1, step_, step_ + core_.options().rate).unsqueeze(1));  // [B, 1, H]
    const auto [k, v] = core_.KeysAndValues(layer, slot, core_.MiddleTime(slot_time_.slice(1, slots_ - 1, slots_)));
    b.slots.slice(1, slots_ - 1, slots_).copy_(slot), b.slot_k.slice(1, slots_ - 1, slots_).copy_(k),
        b.slot_v.slice(1, slots_ - 1, slots_).copy_(v);
  }
  const auto in_sight = [&](const Tensor& slots, const Tensor& steps) {
    return torch::cat({slots.slice(1, 0, slots_), steps.slice(1, step_, step_ + L)}, 1);
  };
  const Tensor now = torch::full({1}, step_, torch::kLong), step = x.unsqueeze(1);
  Noise evaluation(0);
  Tensor weights;
  const Tensor attended =
      core_.Attend(core_.Queries(layer, step, now), in_sight(b.slot_k, b.step_k), in_sight(b.slot_v, b.step_v), view,
                   evaluation, trace != nullptr ? &weights : nullptr);
  if (trace != nullptr) trace->layers.push_back(TraceLayer(view, weights.squeeze(2)));
  const auto [k, v] = core_.KeysAndValues(layer, step, torch::full({x.size(0), 1}, step_, torch::kLong));
  b.steps.select(1, L + step_).copy_(x);
  b.step_k.slice(1, L + step_, L + step_ + 1).copy_(k), b.step_v.slice(1, L + step_, L + step_ + 1).copy_(v);
  return core_.stack().FinishLayer(layer, x, attended.squeeze(1), evaluation);
}

Trace::Layer CompressiveStepper::TraceLayer(const Compressive::View& view, const Tensor& weights) const {
  const CompressiveOptions& o = core_.options();
  const Tensor seen = view.seen.squeeze(1).cpu();
  const Tensor time =
      torch::cat({slot_time_.slice(1, 0, slots_), step_time_.slice(1, step_, step_ + o.memory_length)}, 1);
  const Tensor slots_live =
      torch::full({slots_}, static_cast<double>(o.memory_length + (o.slots + 1) * o.rate), torch::kDouble);
  const Tensor steps_live = torch::full({o.memory_length}, static_cast<double>(o.memory_length), torch::kDouble);
  return {torch::where(seen, step_ - time, 0), torch::cat({slots_live, steps_live}).expand(seen.sizes()),
          seen.to(torch::kDouble), weights};
}

std::vector<std::vector<int32_t>> CompressiveStepper::Living() const {
  const Tensor counts = living_.cpu().to(torch::kInt).contiguous();
  const std::vector<int32_t> rows(counts.const_data_ptr<int32_t>(), counts.const_data_ptr<int32_t>() + counts.numel());
  return std::vector<std::vector<int32_t>>(layers_.size(), rows);
}

StatePtr CompressiveStepper::Finish() {
  std::vector<CompressiveState::Layer> after;
  for (const Layer& b : layers_)
    after.push_back(core_.After(b.steps, b.slots.slice(1, 0, slots_), slot_time_.slice(1, 0, slots_), begin_, step_));
  return std::make_shared<CompressiveState>(state_->shape(), std::move(after), state_->clock() + step_,
                                            state_->clock() + begin_);
}

}  // namespace lethe::memory
