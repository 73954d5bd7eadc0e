#pragma once

#include <cstdint>

#include "memory/kernels/expire_attention.h"

namespace lethe::memory {

/// Layer norm of z = x + part over the columns of each row: y = n * weight + bias, n = (z - mean) / sqrt(var + 1e-5),
/// computed in float. All [rows, cols], contiguous, unless said otherwise. S: float or BFloat16.
template <class S>
struct NormArgs {
  int64_t rows, cols;
  const S* x;
  const S* part;           ///< null: z = x
  const S *weight, *bias;  ///< [cols]
  S* y;
  S* normal;                 ///< n, for backward
  float* inverse_deviation;  ///< [rows], for backward
};

/// d(loss)/d(z) of a norm, and what weight and bias get.
template <class S>
struct NormGradArgs {
  int64_t rows, cols;
  const S *grad, *normal;
  const float* inverse_deviation;
  const S* weight;
  S* grad_z;
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

/// Rows of a table summed: out = start + table[offsets[j] + tokens[j]] over the tokens j of each of `rows`.
struct EmbedArgs {
  int64_t rows, tokens, cols;
  const float* table;       ///< [words, cols]
  const float* start;       ///< [cols]
  const int64_t* offsets;   ///< [tokens]
  const uint8_t* observed;  ///< [rows, tokens]
  float* out;               ///< row r at out + r * out_row
  int64_t out_row;
};

/// What a table gets of the gradient of its sums, added.
struct EmbedGradArgs {
  int64_t rows, tokens, cols;
  const float* grad;  ///< row r at grad + r * grad_row
  int64_t grad_row;
  const int64_t* offsets;   ///< [tokens]
  const uint8_t* observed;  ///< [rows, tokens]
  float* grad_table;        ///< [words, cols]
};

/// What runs over rows without any product of matrices. Pure functions of one thread.
struct RowKernels {
  void (*norm)(const NormArgs<float>&);
  void (*norm_grad)(const NormGradArgs<float>&);
  void (*norm_bfloat16)(const NormArgs<BFloat16>&);
  void (*norm_grad_bfloat16)(const NormGradArgs<BFloat16>&);
  void (*bias_grad)(const BiasGradArgs&);
  void (*embed)(const EmbedArgs&);
  void (*embed_grad)(const EmbedGradArgs&);
};

/// The fastest build that this processor runs.
const RowKernels& SelectRowKernels();

}  // namespace lethe::memory
