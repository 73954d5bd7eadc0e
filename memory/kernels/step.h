#pragma once

#include <cstdint>

#include "memory/kernels/matrix_product.h"

namespace lethe::memory {

struct SpanRule;

/// Keys of a group: they lie side by side, so that one vector holds the scores of all.
inline constexpr int64_t kGroupKeys = 16;

/// What all layers of a stepped transformer share. Heads are padded with zeros to whole vectors of 16: `width` floats
/// hold the heads of one step. Matrices W [out, in] are packed in panels, [out / kPanelColumns, in, kPanelColumns] with
/// out padded by zeros, and read in order.
struct StepShape {
  int64_t rows, steps, layers, dim, heads, head_dim, ffn, positions;
  int64_t head_stride, width;  ///< head_dim in whole vectors; heads * head_stride
  int64_t most_groups;         ///< of any row in any layer
  double ramp;
  bool pre_norm;
  const float* position_keys;             ///< [head_dim, positions in whole vectors]: column positions - age
  const float *out_norm, *out_norm_bias;  ///< [dim] behind the last layer, or null
  const float *cos, *sin;                 ///< [steps, head_dim / 2] angles of rotary positions, or null
};

/// A layer over one unroll: its parameters, what its rows remember, and the record of the steps taken.
///
/// A row owns groups [first_group[row], first_group[row + 1]): those of its bank, then those of the block, where step j
/// has lane j % kGroupKeys of group block_group[row] + j / kGroupKeys. `list` names the groups that hold living keys,
/// in order of time; only these are read, so the cost of a step follows what lives. Ages fall from lane to lane. Lanes
/// without a living key may hold any keys and values.
struct StepLayer {
  const float* qkv;             ///< panels of [3 width, dim]: queries (scaled by 1 / sqrt(head_dim)), keys, values
  const float* out;             ///< panels of [dim, width]
  const float *ff1, *ff1_bias;  ///< panels of [ffn, dim]; padded like them
  const float *ff2, *ff2_bias;  ///< panels of [dim, ffn]; padded like them
  const float *norm1, *norm1_bias, *norm2, *norm2_bias;  ///< [dim]
  const SpanRule* span_rule;

  const int64_t *first_group, *block_group;  ///< [rows + 1], [rows]
  float* k;                                  ///< [groups, width, kGroupKeys]
  float* v;                                  ///< [groups, kGroupKeys, width]
  double* span;                              ///< [groups, kGroupKeys] steps; -infinity: an empty lane
  double* age;                               ///< [groups, kGroupKeys] at the unroll's first step; grows by one per step
  uint8_t* consecutive;                      ///< [groups] ages fall by one from lane to lane
  int32_t* list;                             ///< [groups] a row's from its first_group on: indices of groups
  int32_t* listed;                           ///< [rows] groups in its list

  float* hidden;    ///< [rows, steps, dim] the layer's inputs
  double* spans;    ///< [rows, steps]
  int32_t* living;  ///< [rows] keys with m > 0 at the last step
};

/// Step number `step` of an unroll.
struct StepCall {
  int64_t step;
  const float* x;  ///< [rows, dim]
  int64_t x_row;
  float* y;               ///< [rows, dim]
  float* const* weights;  ///< null, or per layer [rows, heads, groups of the row, kGroupKeys]: zeroed; p of every key
};

/// What came out of a step.
enum class StepResult { kFine, kSpanIsNaN, kNotFinite };

struct StepKernel {
  /// One step of all rows through shape.layers layers. Scratch: scratch_bytes, 64-byte aligned.
  StepResult (*run)(const StepShape&, const StepLayer* layers, const StepCall&, void* scratch);
  int64_t (*scratch_bytes)(const StepShape&);
};

/// The fastest build that this processor runs. Threads: pure but for the layers' memories; scratch is the caller's.
const StepKernel& SelectStep();

}  // namespace lethe::memory
