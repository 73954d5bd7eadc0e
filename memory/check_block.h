#pragma once

#include <torch/types.h>

namespace lethe::memory {

/// What every block must satisfy, whatever the core. like: a parameter of the core.
/// Errors: std::invalid_argument naming shapes, types, rows or values that do not fit.
void CheckBlock(const torch::Tensor& x, const torch::Tensor& episode_start, int64_t rows, int64_t dim,
                const torch::Tensor& like, int64_t lookahead);

}  // namespace lethe::memory
