#pragma once

#include <cstdint>

namespace lethe::memory {

/// Layer norm of z = x + part over the columns of each row: y = n * weight + bias, n = (z - mean) / sqrt(var + 1e-5).
/// All [rows, cols], contiguous, unless said otherwise.
struct NormArgs {
  int64_t rows, cols;
  const float* x;
  const float* part;           ///< null: z = x
  const float *weight, *bias;  ///< [cols]
  float* y;
  float* normal;             ///< n, for backward
  float* inverse_deviation;  ///< [rows], for backward
};

/// d(loss)/d(z) of a norm, and what weight and bias get.
struct NormGradArgs {
  int64_t rows, cols;
  const float *grad, *normal, *inverse_deviation, *weight;
  float* grad_z;
  float *grad_weight, *grad_bias;  ///< [cols]
};

/// Column sums of `grad`, where y > 0 if y is given; `masked` then gets grad with zeros elsewhere.
struct BiasGradArgs {
  int64_t rows, cols;
  const float* grad;
  const float* y;  ///< null: no mask
  float* masked;   ///< null without y
  float* sums;     ///< [cols]; null: not wanted
};

/// What runs over rows without any product of matrices. Pure functions of one thread.
struct RowKernels {
  void (*norm)(const NormArgs&);
  void (*norm_grad)(const NormGradArgs&);
  void (*bias_grad)(const BiasGradArgs&);
};

/// The fastest build that this processor runs.
const RowKernels& SelectRowKernels();

}  // namespace lethe::memory
