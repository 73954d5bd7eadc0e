#include "agents/memory_tally.h"

#include <algorithm>
#include <limits>

namespace lethe::agents {

namespace {

using torch::Tensor;

void AddTo(std::vector<double>& sum, const std::vector<double>& other) {
  sum.resize(std::max(sum.size(), other.size()));
  for (size_t i = 0; i < other.size(); ++i) sum[i] += other[i];
}

void AddTo(memory::LivingStats& sum, const memory::LivingStats& other) {
  AddTo(sum.sum, other.sum);
  sum.max.resize(std::max(sum.max.size(), other.max.size()));
  for (size_t i = 0; i < other.max.size(); ++i) sum.max[i] = std::max(sum.max[i], other.max[i]);
  sum.steps += other.steps;
}

std::vector<double> Divided(std::vector<double> sum, int64_t count) {
  for (double& s : sum) s /= static_cast<double>(std::max<int64_t>(count, 1));
  return sum;
}

}  // namespace

void MemoryTally::Add(const memory::BlockOutput& block, const memory::State& before, const uint8_t* padding) {
  const int64_t rows = before.rows(), steps = block.y.size(1);
  const Tensor is_real = padding != nullptr
                             ? torch::from_blob(const_cast<uint8_t*>(padding), {rows, steps}, torch::kUInt8) == 0
                             : torch::ones({rows, steps}, torch::kBool);
  const int64_t real_steps = is_real.sum().item<int64_t>();
  AddTo(living_, block.living);
  if (block.living.steps > 0) living_.steps -= rows * steps - real_steps;
  std::vector<double> resident;
  for (const int64_t stored : before.resident()) resident.push_back(static_cast<double>(stored + real_steps));
  AddTo(resident_, resident);
  row_blocks_ += rows;
  bytes_ += static_cast<double>(before.bytes());
  std::vector<double> spans, floors;
  for (const Tensor& layer : block.spans) {
    const Tensor span = layer.detach().cpu().masked_select(is_real);
    spans.push_back(span.sum().item<double>());
    floors.push_back(span.floor().sum().item<double>());
    const Tensor some = layer.detach().select(1, 0).to(torch::kFloat).cpu().contiguous();
    span_sample_.insert(span_sample_.end(), some.const_data_ptr<float>(), some.const_data_ptr<float>() + some.numel());
  }
  AddTo(span_sum_, spans);
  AddTo(floor_sum_, floors);
  if (!spans.empty()) span_steps_ += real_steps;
}

void MemoryTally::Add(const MemoryTally& other) {
  AddTo(living_, other.living_);
  AddTo(resident_, other.resident_);
  AddTo(span_sum_, other.span_sum_);
  AddTo(floor_sum_, other.floor_sum_);
  span_steps_ += other.span_steps_;
  row_blocks_ += other.row_blocks_;
  bytes_ += other.bytes_;
  span_sample_.insert(span_sample_.end(), other.span_sample_.begin(), other.span_sample_.end());
}

std::vector<double> MemoryTally::living() const { return Divided(living_.sum, living_.steps); }
std::vector<double> MemoryTally::resident() const { return Divided(resident_, row_blocks_); }
std::vector<double> MemoryTally::span_mean() const { return Divided(span_sum_, span_steps_); }

double MemoryTally::bytes() const { return bytes_ / static_cast<double>(std::max<int64_t>(row_blocks_, 1)); }

double MemoryTally::paper_memory_size() const {
  if (span_steps_ == 0) return std::numeric_limits<double>::quiet_NaN();
  double sum = 0;
  for (const double floors : floor_sum_) sum += floors;
  return ramp_ - 1 + sum / static_cast<double>(span_steps_ * static_cast<int64_t>(floor_sum_.size()));
}

}  // namespace lethe::agents
