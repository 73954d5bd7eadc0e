#pragma once

#include <torch/types.h>

namespace lethe::memory {

/// y = x W^T (+ bias), then max(y, 0) if `relu`: torch::linear, but on float32 CPU tensors in our own matrix product,
/// with bias and ReLU where the result still is in cache, and backward products that read and write no transposed
/// copies. x [..., in], weight [out, in], bias [out] or undefined -> [..., out]. Gradients: x, weight, bias, once.
/// Errors: std::invalid_argument naming shapes that do not fit. Threads: columns by at::parallel_for; same bits for any
/// number.
torch::Tensor Linear(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias = {},
                     bool relu = false);

}  // namespace lethe::memory
