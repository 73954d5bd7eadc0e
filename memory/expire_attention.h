#pragma once

#include <torch/types.h>

#include <limits>

namespace lethe::memory {

/// Constants of expire-attention. Ours: epsilon 0, no shortening; published mode sets both.
struct AttentionConstants {
  int64_t heads = 1;
  double ramp = 1;     ///< R > 0, steps
  double epsilon = 0;  ///< added to the denominator, relative to the plain softmax sum
  double shorten = std::numeric_limits<double>::infinity();  ///< spans are cut to this in the mask
  double window = std::numeric_limits<double>::infinity();   ///< ages beyond are never seen
  /// Least mask of a key within the window. Published Adaptive-Span normalises over its whole window, m = 0 included: a
  /// mask too small to matter counts such keys in the denominator's epsilon. Else 0: expired keys are never read.
  double least_mask = 0;
  double dropout = 0;         ///< probability that a weight is zeroed, the rest scaled up; with dropout_seed only
  uint64_t dropout_seed = 0;  ///< decides which; 0: evaluation, none
};

/// Keys, values, spans and ages of a packed ragged bank, each row's in order of time. K = heads * head_dim.
struct BankView {
  torch::Tensor k, v;          ///< [N, K]
  torch::Tensor span;          ///< [N] f64, steps
  torch::Tensor age;           ///< [N] i64, steps from the memory to the block's first step, >= 1
  torch::Tensor begin, count;  ///< [B] i64, CPU: row b owns [begin, begin + count)
  int64_t longest = 0;         ///< largest count
};

struct AttentionOutput {
  torch::Tensor out;       ///< [B, Tq, K]
  torch::Tensor ramp_sum;  ///< [B] f64: sum of remaining spans over the (query, memory) pairs on the ramp
  torch::Tensor living;    ///< [B, Tq] i32: memories with m > 0, no gradient
  torch::Tensor
      weights;  ///< [B, heads, Tq, longest + Tk] if asked for, else empty: bank, then block steps; before dropout
};

/// Attention of the last Tq steps of a block over a row's bank and the block's earlier steps of the same episode, with
/// the soft span mask applied after the exponent (kernels/expire_attention.h states the formula).
///
/// Shapes: q [B, Tq, K], k and v [B, Tk, K] (float32, float64 or bfloat16, inner dimension contiguous), span [B, Tk]
/// f64,
///   episode_begin [B, Tk] i32 CPU (block step at which the step's episode began, -1 if before the block),
///   position_keys [K / heads, M]: column M - a belongs to age a.
/// Gradients: q, k, v, span, the bank's k, v and span, position_keys. Keys with m = 0 for every query are never read.
/// Devices: CPU runs the fused kernel; others run the same formula in tensor operators.
/// Errors: std::invalid_argument naming the argument and the sizes that do not fit. Threads: pure.
/// Source: arXiv:2105.06548, sections on Expire-Span and on the loss.
AttentionOutput ExpireAttention(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v,
                                const torch::Tensor& span, const torch::Tensor& episode_begin, const BankView& bank,
                                const torch::Tensor& position_keys, const AttentionConstants& constants,
                                bool want_weights = false);

/// The same in plain tensor operators with padded [B, heads, Tq, N] scores: any device, and what the kernel is tested
/// against.
AttentionOutput ExpireAttentionDense(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v,
                                     const torch::Tensor& span, const torch::Tensor& episode_begin,
                                     const BankView& bank, const torch::Tensor& position_keys,
                                     const AttentionConstants& constants);

}  // namespace lethe::memory
