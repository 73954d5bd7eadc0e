#include "memory/banked_stepper.h"

#include "memory/banked_transformer.h"
#include "memory/check_block.h"
#include "memory/fused_stepper.h"
#include "memory/unroll_record.h"

namespace lethe::memory {

namespace {

using torch::Tensor;

/// One unroll in tensor operators: keys, values and spans of the block go to buffers, the operator does the rest.
class OperatorStepper : public Stepper {
 public:
  OperatorStepper(const BankedTransformer& core, std::shared_ptr<const BankedState> state, int64_t steps,
                  Between between)
      : core_(core), record_(core, std::move(state), steps), between_(std::move(between)) {
    for (const TransformerLayer& layer : core.layers()) {
      Buffers b;
      b.k = torch::empty({record_.rows(), steps, layer.query.size(0)}, layer.query.options().requires_grad(false));
      b.v = torch::empty_like(b.k);
      buffers_.push_back(std::move(b));
    }
  }

  Tensor Step(const Tensor& input, const uint8_t* episode_start, Trace* trace) override {
    const torch::NoGradGuard no_grad;
    record_.BeginStep(episode_start);
    if (trace != nullptr) trace->layers.clear();
    Tensor x = input;
    for (size_t l = 0; l < buffers_.size(); ++l) {
      x = StepLayer(l, x, trace);
      if (between_ && l + 1 < buffers_.size()) x = AddBetween(between_, l, x);
    }
    record_.EndStep();
    return core_.stack().FinishStack(x);
  }

  std::vector<std::vector<int32_t>> Living() const override {
    std::vector<std::vector<int32_t>> living;
    for (const Buffers& b : buffers_) {
      const Tensor counts = b.living.cpu().contiguous();
      living.emplace_back(counts.const_data_ptr<int32_t>(), counts.const_data_ptr<int32_t>() + counts.numel());
    }
    return living;
  }

  std::vector<std::vector<double>> Spans() const override { return record_.Spans(); }
  StatePtr Finish() override { return record_.Finish(); }

 private:
  struct Buffers {
    Tensor k, v, living;
  };

  Tensor StepLayer(size_t l, const Tensor& x, Trace* trace) {
    const auto& layer = core_.layers()[l];
    Buffers& b = buffers_[l];
    UnrollRecord::Layer& record = record_.layers()[l];
    const int64_t step = record_.step(), seen = step + 1;
    const Tensor g = core_.stack().AttentionInput(layer, x);
    const auto now = core_.Project(layer, g, torch::full({1}, step, torch::kLong));
    record.hidden.select(1, step).copy_(x);
    b.k.select(1, step).copy_(now.k);
    b.v.select(1, step).copy_(now.v);
    record.span.select(1, step).copy_(core_.Spans(layer, g));
    const AttentionOutput a = core_.Attend(layer, now.q.unsqueeze(1), b.k.slice(1, 0, seen), b.v.slice(1, 0, seen),
                                           record.span.slice(1, 0, seen), record_.begin().slice(1, 0, seen),
                                           record.bank, record_.constants(), trace != nullptr);
    b.living = a.living;
    if (trace != nullptr) trace->layers.push_back(record_.TraceOf(record, a.weights.squeeze(2)));
    return core_.stack().FinishLayer(layer, x, a.out.squeeze(1), evaluation_);
  }

  const BankedTransformer& core_;
  UnrollRecord record_;
  const Between between_;
  Noise evaluation_{0};
  std::vector<Buffers> buffers_;
};

}  // namespace

std::unique_ptr<Stepper> MakeOperatorStepper(const BankedTransformer& core, std::shared_ptr<const BankedState> state,
                                             int64_t steps, Between between) {
  return std::make_unique<OperatorStepper>(core, std::move(state), steps, std::move(between));
}

std::unique_ptr<Stepper> MakeStepper(const BankedTransformer& core, std::shared_ptr<const BankedState> state,
                                     int64_t steps, Between between) {
  if (CanFuse(core)) return MakeFusedStepper(core, std::move(state), steps, std::move(between));
  return MakeOperatorStepper(core, std::move(state), steps, std::move(between));
}

}  // namespace lethe::memory
