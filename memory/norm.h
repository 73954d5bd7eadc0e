#pragma once

#include <torch/types.h>

namespace lethe::memory {

/// Layer norm of x + part over the last dimension, epsilon 1e-5: torch::layer_norm(x + part, ...), but on float32 and
/// bfloat16 CPU tensors in one pass over the rows, in both directions, computed in float32. x, part [..., cols],
/// weight, bias [cols] -> [..., cols]. Gradients: all four, once. Errors: std::invalid_argument naming shapes that do
/// not fit.
torch::Tensor Norm(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias,
                   const torch::Tensor& part = {});

}  // namespace lethe::memory
