#pragma once

#include <cstring>
#include <deque>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "agents/curriculum.h"
#include "agents/flat_parameters.h"
#include "configs/safetensors.h"
#include "memory/core.h"
#include "memory/torch.h"

namespace lethe::agents {

// Between what trainers hold and the tensors of a checkpoint file.

/// Name and shape of a parameter in the flat array, so that checkpoints hold tensors a person can read.
struct ParameterLayout {
  std::string name;
  std::vector<int64_t> shape;
  int64_t offset = 0, size = 0;
};

/// Names, shapes and places of a module's parameters.
std::vector<ParameterLayout> LayoutOf(const FlatParameters& parameters);

/// Collects views of arrays, which have to live until the file is written.
class TensorViews {
 public:
  template <class T>
  void Add(const std::string& name, configs::Dtype dtype, const T* data, std::vector<int64_t> shape, int64_t size) {
    views_.push_back(
        {name, dtype, std::move(shape), std::as_bytes(std::span<const T>(data, static_cast<size_t>(size)))});
  }
  template <class T>
  void Add(const std::string& name, configs::Dtype dtype, const std::vector<T>& data) {
    Add(name, dtype, data.data(), {static_cast<int64_t>(data.size())}, static_cast<int64_t>(data.size()));
  }
  void Add(const std::string& name, const torch::Tensor& tensor);
  /// Everything that State::Save gives, names behind `prefix`.
  void Add(const std::string& prefix, const memory::StatePtr& state);
  void AddParameters(const std::string& prefix, const std::vector<float>& values,
                     const std::vector<ParameterLayout>& layout);

  const std::vector<configs::TensorView>& views() const { return views_; }

 private:
  std::vector<configs::TensorView> views_;
  std::deque<torch::Tensor> tensors_;
};

/// Errors of all that reads: configs::SafetensorsError, std::invalid_argument naming what does not fit.
template <class T>
std::vector<T> ReadArray(const configs::SafetensorsFile& file, const std::string& name) {
  const configs::TensorView& view = file.Find(name);
  std::vector<T> data(view.bytes.size() / sizeof(T));
  std::memcpy(data.data(), view.bytes.data(), view.bytes.size());
  return data;
}

/// The parameters `prefix` + name of a checkpoint or live file.
std::vector<float> LoadWeights(const configs::SafetensorsFile& file, const std::vector<ParameterLayout>& layout,
                               const std::string& prefix = "policy.");

memory::StatePtr ReadMemory(const configs::SafetensorsFile& file, const std::string& prefix, const memory::Core& core);

/// A double as text that reads back to the same bits, and back from a file's metadata.
std::string NumberText(double x);
double ReadNumber(const configs::SafetensorsFile& file, const std::string& key);

/// A curriculum's progress as metadata, and back.
void AddCurriculum(const std::string& prefix, const Curriculum::Progress& progress,
                   std::map<std::string, std::string>& metadata);
Curriculum::Progress ReadCurriculum(const configs::SafetensorsFile& file, const std::string& prefix);

}  // namespace lethe::agents
