#include "agents/checkpoint_tensors.h"

#include <fmt/format.h>

#include <array>
#include <stdexcept>
#include <utility>

namespace lethe::agents {

namespace {

using configs::Dtype;
using configs::SafetensorsFile;
using configs::TensorView;
using torch::Tensor;

/// Types of tensors that memories may hold.
constexpr std::array<std::pair<Dtype, torch::ScalarType>, 7> kTypes = {{{Dtype::kF32, torch::kFloat},
                                                                        {Dtype::kF64, torch::kDouble},
                                                                        {Dtype::kI64, torch::kLong},
                                                                        {Dtype::kI32, torch::kInt},
                                                                        {Dtype::kU8, torch::kByte},
                                                                        {Dtype::kBool, torch::kBool},
                                                                        {Dtype::kBF16, torch::kBFloat16}}};

Dtype DtypeOf(const Tensor& tensor) {
  for (const auto& [dtype, type] : kTypes)
    if (type == tensor.scalar_type()) return dtype;
  throw std::invalid_argument(
      fmt::format("checkpoints hold no tensors of type {}", torch::toString(tensor.scalar_type())));
}

torch::ScalarType TypeOf(const TensorView& view) {
  for (const auto& [dtype, type] : kTypes)
    if (dtype == view.dtype) return type;
  throw std::invalid_argument(fmt::format("`{}` has a type that no memory has", view.name));
}

}  // namespace

std::vector<ParameterLayout> LayoutOf(const FlatParameters& parameters) {
  std::vector<ParameterLayout> layout;
  for (const auto& part : parameters.parts())
    layout.push_back({part.name, part.tensor.sizes().vec(), part.offset, part.tensor.numel()});
  return layout;
}

void TensorViews::Add(const std::string& name, const Tensor& tensor) {
  tensors_.push_back(tensor.cpu().contiguous());
  const Tensor& t = tensors_.back();
  views_.push_back(
      {name, DtypeOf(t), t.sizes().vec(), {static_cast<const std::byte*>(t.const_data_ptr()), t.nbytes()}});
}

void TensorViews::Add(const std::string& prefix, const memory::StatePtr& state) {
  for (const auto& [name, tensor] : state->Save()) Add(prefix + name, tensor);
}

void TensorViews::AddParameters(const std::string& prefix, const std::vector<float>& values,
                                const std::vector<ParameterLayout>& layout) {
  for (const ParameterLayout& part : layout)
    Add(prefix + part.name, Dtype::kF32, values.data() + part.offset, part.shape, part.size);
}

std::vector<float> LoadWeights(const SafetensorsFile& file, const std::vector<ParameterLayout>& layout,
                               const std::string& prefix) {
  std::vector<float> values(static_cast<size_t>(layout.back().offset + layout.back().size));
  for (const ParameterLayout& part : layout) {
    const TensorView& view = file.Find(prefix + part.name);
    if (view.dtype != Dtype::kF32 || view.shape != part.shape)
      throw std::invalid_argument(fmt::format("{}: `{}` has shape [{}], these options need [{}]", file.path(),
                                              view.name, fmt::join(view.shape, ", "), fmt::join(part.shape, ", ")));
    std::memcpy(values.data() + part.offset, view.bytes.data(), view.bytes.size());
  }
  return values;
}

memory::StatePtr ReadMemory(const SafetensorsFile& file, const std::string& prefix, const memory::Core& core) {
  memory::TensorMap saved;
  for (const TensorView& view : file.tensors()) {
    if (!view.name.starts_with(prefix)) continue;
    Tensor tensor = torch::empty(view.shape, TypeOf(view));
    if (!view.bytes.empty()) std::memcpy(tensor.data_ptr(), view.bytes.data(), view.bytes.size());
    saved[view.name.substr(prefix.size())] = tensor;
  }
  return core.Restore(saved);
}

std::string NumberText(double x) { return fmt::format("{}", x); }

double ReadNumber(const SafetensorsFile& file, const std::string& key) {
  const auto found = file.metadata().find(key);
  if (found == file.metadata().end())
    throw configs::SafetensorsError(fmt::format("{}: `{}` is missing", file.path(), key));
  return std::stod(found->second);
}

void AddCurriculum(const std::string& prefix, const Curriculum::Progress& progress,
                   std::map<std::string, std::string>& metadata) {
  metadata[prefix + "value"] = NumberText(progress.value);
  metadata[prefix + "highest"] = NumberText(progress.highest);
  metadata[prefix + "sum"] = NumberText(progress.sum);
  metadata[prefix + "last_mean"] = NumberText(progress.last_mean);
  metadata[prefix + "count"] = std::to_string(progress.count);
}

Curriculum::Progress ReadCurriculum(const SafetensorsFile& file, const std::string& prefix) {
  const auto number = [&](const char* name) { return ReadNumber(file, prefix + name); };
  return {number("value"), number("highest"), number("sum"), number("last_mean"),
          static_cast<int64_t>(number("count"))};
}

}  // namespace lethe::agents
