#include "memory/noise.h"

#include <ATen/CPUGeneratorImpl.h>

namespace lethe::memory {

Noise::Noise(uint64_t seed) {
  if (seed != 0) generator_ = at::detail::createCPUGenerator(seed);
}

torch::Tensor Noise::Dropout(const torch::Tensor& x, double probability) {
  if (probability <= 0 || !is_on()) return x;
  const torch::NoGradGuard no_grad;
  torch::Tensor keep = torch::empty(x.sizes(), x.options().device(torch::kCPU).requires_grad(false));
  keep.bernoulli_(1 - probability, *generator_).div_(1 - probability);
  const torch::AutoGradMode with_grad(true);
  return x * keep.to(x.device());
}

double Noise::Uniform() {
  return is_on() ? at::check_generator<at::CPUGeneratorImpl>(*generator_)->random64() * 0x1p-64 : 1;
}

uint64_t Noise::Seed() { return is_on() ? at::check_generator<at::CPUGeneratorImpl>(*generator_)->random64() | 1 : 0; }

}  // namespace lethe::memory
