#pragma once

#include <span>
#include <string>
#include <vector>

#include "memory/core.h"
#include "memory/torch.h"

namespace lethe::agents {

/// Moves a module's parameters into one contiguous float32 array, so that copying, averaging, clipping and optimising
/// them is one loop. The module keeps views into the array; of parameters of another type it keeps rounded copies, so
/// that updates smaller than their last bit are not lost.
class FlatParameters {
 public:
  /// The module must be on its final device. Order: that of named_parameters().
  explicit FlatParameters(torch::nn::Module& module);

  struct Part {
    std::string name;
    torch::Tensor tensor;  ///< the module's parameter, a view or a rounded copy
    int64_t offset = 0;    ///< into the array
  };
  const std::vector<Part>& parts() const { return parts_; }
  int64_t size() const { return flat_.numel(); }
  std::vector<torch::Tensor> tensors() const;

  /// The array itself on the CPU, a copy's source and target elsewhere.
  std::vector<float> Read() const;
  void Write(std::span<const float> values);
  /// Takes over what the module itself has changed in parameters of another type; what it left alone keeps its bits.
  void TakeFromModule();

 private:
  torch::Tensor View(const Part& part) const {
    return flat_.slice(0, part.offset, part.offset + part.tensor.numel()).view(part.tensor.sizes());
  }

  torch::Tensor flat_;
  std::vector<Part> parts_;
};

/// Concatenates gradients in the order of the parts into `out`, adding; undefined gradients count as zero.
void AddFlat(const FlatParameters& parameters, const std::vector<torch::Tensor>& gradients, std::span<float> out);

/// A stretch of the flat array whose values have to stay in lowest .. highest.
struct BoundedStretch {
  int64_t offset, size;
  float lowest, highest;
};

/// Where the core's bounded parameters lie in the array.
std::vector<BoundedStretch> BoundsOf(const FlatParameters& parameters, const memory::Core& core);

/// Brings values of the flat array back into their bounds.
void Clamp(const std::vector<BoundedStretch>& bounds, std::span<float> values);

/// Learning rate of every parameter relative to the rest: span predictors learn at their own pace.
std::vector<float> RateScale(const FlatParameters& parameters, double span_rate);

}  // namespace lethe::agents
