#include "memory/unroll_record.h"

#include <algorithm>
#include <stdexcept>

#include "memory/kernels/span_mask.h"
#include "memory/torch.h"

namespace lethe::memory {

using torch::Tensor;

namespace {

AttentionConstants EvaluationConstants(const BankedTransformer& core) {
  Noise evaluation(0);
  return core.Constants(evaluation);
}

}  // namespace

UnrollRecord::UnrollRecord(const BankedTransformer& core, std::shared_ptr<const BankedState> state, int64_t steps)
    : core_(core), state_(std::move(state)), constants_(EvaluationConstants(core)), steps_(steps) {
  const torch::NoGradGuard no_grad;
  begin_ = torch::full({rows(), steps}, -1, torch::kInt);
  for (size_t l = 0; l < core.layers().size(); ++l) {
    const TransformerLayer& layer = core.layers()[l];
    const auto options = layer.query.options().requires_grad(false);
    layers_.push_back({core.ProjectBank(layer, state_->banks()[l], state_->clock()),
                       torch::empty({rows(), steps, core.dim()}, options),
                       torch::empty({rows(), steps}, options.dtype(torch::kDouble))});
  }
}

void UnrollRecord::BeginStep(const uint8_t* episode_start) {
  if (step_ >= steps_) throw std::logic_error("memory: more steps than the unroll was begun with");
  int32_t* begin = begin_.data_ptr<int32_t>() + step_;
  for (int64_t row = 0; row < rows(); ++row, begin += steps_) {
    if (step_ > 0) *begin = begin[-1];
    if (episode_start[row] != 0) *begin = static_cast<int32_t>(step_);
  }
}

/// Columns: bank, then block steps.
Trace::Layer UnrollRecord::TraceOf(const Layer& layer, const Tensor& weights) const {
  const BankView& bank = layer.bank;
  const int64_t columns = bank.longest + step_ + 1;
  Trace::Layer trace{torch::zeros({rows(), columns}, torch::kLong), torch::zeros({rows(), columns}, torch::kDouble),
                     torch::zeros({rows(), columns}, torch::kDouble), weights};
  const Tensor spans = layer.span.cpu(), bank_spans = bank.span.cpu();
  const auto put = [&](int64_t row, int64_t column, int64_t age, double e) {
    trace.age.data_ptr<int64_t>()[row * columns + column] = age;
    trace.span.data_ptr<double>()[row * columns + column] = e;
    trace.mask.data_ptr<double>()[row * columns + column] = SpanMask(e - static_cast<double>(age), constants_.ramp);
  };
  for (int64_t row = 0; row < rows(); ++row) {
    const int64_t first = bank.begin.const_data_ptr<int64_t>()[row], count = bank.count.const_data_ptr<int64_t>()[row];
    const int32_t begin = begin_.const_data_ptr<int32_t>()[row * steps_ + step_];
    for (int64_t i = 0; begin < 0 && i < count; ++i)
      put(row, i, bank.age.const_data_ptr<int64_t>()[first + i] + step_,
          bank_spans.const_data_ptr<double>()[first + i]);
    for (int64_t j = std::max(begin, 0); j < step_; ++j)
      put(row, bank.longest + j, step_ - j, spans.const_data_ptr<double>()[row * steps_ + j]);
  }
  return trace;
}

std::vector<std::vector<double>> UnrollRecord::Spans() const {
  std::vector<std::vector<double>> spans;
  if (!core_.PredictsSpans()) return spans;
  for (const Layer& layer : layers_) {
    const Tensor now = layer.span.select(1, step_ - 1).cpu().contiguous();
    spans.emplace_back(now.const_data_ptr<double>(), now.const_data_ptr<double>() + now.numel());
  }
  return spans;
}

StatePtr UnrollRecord::Finish() const {
  const torch::NoGradGuard no_grad;
  std::vector<Bank> banks;
  for (size_t l = 0; l < layers_.size(); ++l)
    banks.push_back(core_.Expire(state_->banks()[l], layers_[l].bank.span, layers_[l].hidden.slice(1, 0, step_),
                                 layers_[l].span.slice(1, 0, step_), state_->clock(), begin_.slice(1, 0, step_)));
  return std::make_shared<BankedState>(std::move(banks), state_->clock() + step_);
}

}  // namespace lethe::memory
