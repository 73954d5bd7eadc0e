#pragma once

#include <cstdint>
#include <optional>

#include "memory/torch.h"

namespace lethe::memory {

/// The random numbers of one training pass, all from one seed. With seed 0, evaluation, it draws none and changes
/// nothing.
class Noise {
 public:
  explicit Noise(uint64_t seed);
  bool is_on() const { return generator_.has_value(); }

  /// Zeroes elements with the given probability and scales the rest by 1 / (1 - probability).
  torch::Tensor Dropout(const torch::Tensor& x, double probability);
  /// True with the given probability.
  bool Happens(double probability) { return probability > 0 && is_on() && Uniform() < probability; }
  /// In [0, 1); 1 in evaluation.
  double Uniform();
  /// A seed for what draws its own numbers; 0 in evaluation.
  uint64_t Seed();

 private:
  std::optional<at::Generator> generator_;
};

}  // namespace lethe::memory
