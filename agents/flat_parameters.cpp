#include "agents/flat_parameters.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace lethe::agents {

using torch::Tensor;

FlatParameters::FlatParameters(torch::nn::Module& module) {
  const torch::NoGradGuard no_grad;
  int64_t size = 0;
  for (const auto& item : module.named_parameters()) {
    parts_.push_back({item.key(), item.value(), size});
    size += item.value().numel();
  }
  flat_ = torch::empty({size}, torch::device(parts_.front().tensor.device()).dtype(torch::kFloat));
  for (Part& part : parts_) {
    const Tensor view = View(part);
    view.copy_(part.tensor);
    if (part.tensor.scalar_type() == torch::kFloat) part.tensor.set_data(view);
  }
}

std::vector<Tensor> FlatParameters::tensors() const {
  std::vector<Tensor> all;
  for (const Part& part : parts_) all.push_back(part.tensor);
  return all;
}

std::vector<float> FlatParameters::Read() const {
  const Tensor values = flat_.cpu();
  const float* first = values.const_data_ptr<float>();
  return {first, first + values.numel()};
}

void FlatParameters::Write(std::span<const float> values) {
  const torch::NoGradGuard no_grad;
  flat_.copy_(torch::from_blob(const_cast<float*>(values.data()), {static_cast<int64_t>(values.size())}));
  for (const Part& part : parts_)
    if (part.tensor.scalar_type() != torch::kFloat) Tensor(part.tensor).copy_(View(part));
}

void FlatParameters::TakeFromModule() {
  const torch::NoGradGuard no_grad;
  for (const Part& part : parts_) {
    const Tensor view = View(part), changed = view.to(part.tensor.scalar_type()) != part.tensor;
    view.copy_(torch::where(changed, part.tensor.to(torch::kFloat), view));
  }
}

void AddFlat(const FlatParameters& parameters, const std::vector<Tensor>& gradients, std::span<float> out) {
  for (size_t i = 0; i < gradients.size(); ++i) {
    if (!gradients[i].defined()) continue;
    const Tensor gradient = gradients[i].detach().to(torch::kCPU, torch::kFloat).contiguous();
    const float* from = gradient.const_data_ptr<float>();
    float* to = out.data() + parameters.parts()[i].offset;
    for (int64_t k = 0; k < gradient.numel(); ++k) to[k] += from[k];
  }
}

std::vector<BoundedStretch> BoundsOf(const FlatParameters& parameters, const memory::Core& core) {
  std::vector<BoundedStretch> bounds;
  for (const auto& [parameter, lowest, highest] : core.BoundedParameters()) {
    const auto& parts = parameters.parts();
    const auto part = std::ranges::find_if(parts, [&](const auto& p) { return p.tensor.is_same(parameter); });
    if (part == parts.end()) throw std::logic_error("a bounded parameter is none of the model's");
    bounds.push_back({part->offset, part->tensor.numel(), static_cast<float>(lowest), static_cast<float>(highest)});
  }
  return bounds;
}

void Clamp(const std::vector<BoundedStretch>& bounds, std::span<float> values) {
  for (const auto& [offset, size, lowest, highest] : bounds)
    for (float& value : values.subspan(static_cast<size_t>(offset), static_cast<size_t>(size)))
      value = std::clamp(value, lowest, highest);
}

std::vector<float> RateScale(const FlatParameters& parameters, double span_rate) {
  std::vector<float> scale(static_cast<size_t>(parameters.size()), 1.0f);
  for (const auto& part : parameters.parts()) {
    const bool is_span =
        part.name.ends_with(".span") || part.name.ends_with(".span_bias") || part.name.ends_with(".span_ratio");
    if (is_span) std::fill_n(scale.begin() + part.offset, part.tensor.numel(), static_cast<float>(span_rate));
  }
  return scale;
}

}  // namespace lethe::agents
