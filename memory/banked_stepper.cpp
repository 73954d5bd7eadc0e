#include "memory/banked_stepper.h"

#include <stdexcept>

#include "memory/banked_transformer.h"
#include "memory/kernels/span_mask.h"

namespace lethe::memory {

namespace {

using torch::Tensor;

/// Fills a layer's trace from the pieces every stepper has. columns: bank, then block steps.
Trace::Layer TraceLayer(const BankView& bank, const Tensor& span, int64_t step, const int32_t* begin, double ramp,
                        const Tensor& weights) {
  const int64_t rows = span.size(0), columns = bank.longest + step + 1;
  Trace::Layer trace{torch::zeros({rows, columns}, torch::kLong), torch::zeros({rows, columns}, torch::kDouble),
                     torch::zeros({rows, columns}, torch::kDouble), weights};
  const Tensor spans = span.cpu().contiguous(), bank_spans = bank.span.cpu();
  const auto put = [&](int64_t row, int64_t column, int64_t age, double e) {
    trace.age.data_ptr<int64_t>()[row * columns + column] = age;
    trace.span.data_ptr<double>()[row * columns + column] = e;
    trace.mask.data_ptr<double>()[row * columns + column] = SpanMask(e - static_cast<double>(age), ramp);
  };
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t first = bank.begin.const_data_ptr<int64_t>()[row], count = bank.count.const_data_ptr<int64_t>()[row];
    for (int64_t i = 0; begin[row] < 0 && i < count; ++i)
      put(row, i, bank.age.const_data_ptr<int64_t>()[first + i] + step, bank_spans.const_data_ptr<double>()[first + i]);
    for (int64_t j = std::max(begin[row], 0); j < step; ++j)
      put(row, bank.longest + j, step - j, spans.const_data_ptr<double>()[row * spans.size(1) + j]);
  }
  return trace;
}

/// One unroll in tensor operators: keys, values and spans of the block go to buffers, the operator does the rest.
class OperatorStepper : public Stepper {
 public:
  OperatorStepper(const BankedTransformer& core, std::shared_ptr<const BankedState> state, int64_t steps)
      : core_(core), state_(std::move(state)), constants_(core.Constants(evaluation_)), steps_(steps) {
    const torch::NoGradGuard no_grad;
    const int64_t rows = state_->rows();
    begin_ = torch::full({rows, steps}, -1, torch::kInt);
    for (size_t l = 0; l < core.layers().size(); ++l) {
      const auto& layer = core.layers()[l];
      const auto options = layer.query.options().requires_grad(false);
      Buffers b;
      b.bank = core.ProjectBank(layer, state_->banks()[l], state_->clock());
      b.hidden = torch::empty({rows, steps, core.dim()}, options);
      b.k = torch::empty({rows, steps, layer.query.size(0)}, options);
      b.v = torch::empty_like(b.k);
      b.span = torch::empty({rows, steps}, options.dtype(torch::kDouble));
      buffers_.push_back(std::move(b));
    }
  }

  Tensor Step(const Tensor& input, const uint8_t* episode_start, Trace* trace) override {
    const torch::NoGradGuard no_grad;
    if (step_ >= steps_) throw std::logic_error("memory: more steps than the unroll was begun with");
    const int64_t rows = state_->rows();
    int32_t* begin = begin_.data_ptr<int32_t>();
    for (int64_t row = 0; row < rows; ++row)
      begin[row * steps_ + step_] =
          episode_start[row] != 0 ? static_cast<int32_t>(step_) : (step_ > 0 ? begin[row * steps_ + step_ - 1] : -1);
    if (trace != nullptr) trace->layers.clear();
    Tensor x = input;
    for (size_t l = 0; l < buffers_.size(); ++l) x = StepLayer(l, x, trace);
    ++step_;
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

  std::vector<std::vector<double>> Spans() const override {
    std::vector<std::vector<double>> spans;
    if (!core_.PredictsSpans()) return spans;
    for (const Buffers& b : buffers_) {
      const Tensor now = b.span.select(1, step_ - 1).cpu().contiguous();
      spans.emplace_back(now.const_data_ptr<double>(), now.const_data_ptr<double>() + now.numel());
    }
    return spans;
  }

  StatePtr Finish() override {
    const torch::NoGradGuard no_grad;
    std::vector<Bank> banks;
    for (size_t l = 0; l < buffers_.size(); ++l) {
      const Buffers& b = buffers_[l];
      banks.push_back(core_.Expire(state_->banks()[l], b.bank.span, b.hidden.slice(1, 0, step_),
                                   b.span.slice(1, 0, step_), state_->clock(), begin_.slice(1, 0, step_)));
    }
    return std::make_shared<BankedState>(std::move(banks), state_->clock() + step_);
  }

 private:
  struct Buffers {
    BankView bank;
    Tensor hidden, k, v, span, living;
  };

  Tensor StepLayer(size_t l, const Tensor& x, Trace* trace) {
    const auto& layer = core_.layers()[l];
    Buffers& b = buffers_[l];
    const int64_t seen = step_ + 1;
    const Tensor g = core_.stack().AttentionInput(layer, x);
    const auto now = core_.Project(layer, g, torch::full({1}, step_, torch::kLong));
    b.hidden.select(1, step_).copy_(x);
    b.k.select(1, step_).copy_(now.k);
    b.v.select(1, step_).copy_(now.v);
    b.span.select(1, step_).copy_(core_.Spans(layer, g));
    const Tensor begin = begin_.slice(1, 0, seen).contiguous();
    const AttentionOutput a = core_.Attend(layer, now.q.unsqueeze(1), b.k.slice(1, 0, seen), b.v.slice(1, 0, seen),
                                           b.span.slice(1, 0, seen), begin, b.bank, constants_, trace != nullptr);
    b.living = a.living;
    if (trace != nullptr)
      trace->layers.push_back(TraceLayer(b.bank, b.span.slice(1, 0, seen), step_,
                                         begin.select(1, step_).contiguous().const_data_ptr<int32_t>(), constants_.ramp,
                                         a.weights.squeeze(2)));
    return core_.stack().FinishLayer(layer, x, a.out.squeeze(1), evaluation_);
  }

  const BankedTransformer& core_;
  const std::shared_ptr<const BankedState> state_;
  Noise evaluation_{0};
  const AttentionConstants constants_;
  const int64_t steps_;
  int64_t step_ = 0;
  Tensor begin_;  // [B, steps] i32
  std::vector<Buffers> buffers_;
};

}  // namespace

std::unique_ptr<Stepper> MakeOperatorStepper(const BankedTransformer& core, std::shared_ptr<const BankedState> state,
                                             int64_t steps) {
  return std::make_unique<OperatorStepper>(core, std::move(state), steps);
}

std::unique_ptr<Stepper> MakeStepper(const BankedTransformer& core, std::shared_ptr<const BankedState> state,
                                     int64_t steps) {
  return MakeOperatorStepper(core, std::move(state), steps);
}

}  // namespace lethe::memory
