#pragma once

#include "memory/core.h"
#include "memory/torch.h"

namespace lethe::memory {

/// What every block must satisfy, whatever the core. like: a parameter of the core.
/// Errors: std::invalid_argument naming shapes, types, rows or values that do not fit.
void CheckBlock(const torch::Tensor& x, const torch::Tensor& episode_start, int64_t rows, int64_t dim,
                const torch::Tensor& like, int64_t lookahead);

/// y + between(layer, y), y where that is undefined. Errors: std::invalid_argument where that is not of y's shape, type
/// and device.
torch::Tensor AddBetween(const Between& between, size_t layer, const torch::Tensor& y);

/// For cores without gaps between layers. Errors: std::invalid_argument if there is something to call.
void RefuseBetween(const Between& between);

}  // namespace lethe::memory
