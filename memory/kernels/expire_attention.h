#pragma once

#include <cstdint>

namespace lethe::memory {

/// Upper half of a float.
struct BFloat16 {
  uint16_t bits;
};

template <class T>
struct ComputeTypeOf {
  using type = T;
};
template <>
struct ComputeTypeOf<BFloat16> {
  using type = float;
};
template <class T>
using ComputeType = typename ComputeTypeOf<T>::type;

/// One call of expire-attention over B rows with ragged memories. Pointers may be strided views; see each.
///
/// Row b has `bank_count[b]` banked memories (packed arrays, first at `bank_begin[b]`) and `block_keys` steps of the
/// present block. Its queries are the last `queries` of these steps. With first = block_keys - queries, query t stands
/// at block step first + t. Times count from the block's first step.
///
///   age of block step j at query step s:   s - j           seen if 1 <= age <= window and j is in the same episode
///   age of bank memory i:                  s + bank_age[i]  seen if age <= window and the row's episode began before
///   the block r = min(span, shorten) - age,  m = clamp(1 + r / ramp, least_mask, 1) score = (q . k + q .
///   position_keys[:, positions - age] if age <= positions) / sqrt(head_dim) p = m exp(score) / (sum of m exp(score) +
///   epsilon * sum of exp(score)), both sums over seen keys with m > 0 out = sum of p v;  0 where nothing is seen. With
///   dropout, p is zeroed at random or divided by 1 - dropout
///
/// Keys that no query sees with m > 0 are never read: they may hold anything, NaN included.
/// Source: arXiv:2105.06548, section on Expire-Span; epsilon and shorten are 0 and infinite except in published mode.
/// T: float, double, or BFloat16, which is stored as such and computed in float.
template <class T>
struct ExpireAttentionArgs {
  using Real = ComputeType<T>;
  int64_t rows, queries, block_keys, heads, head_dim, positions;
  double ramp, epsilon, shorten, window, least_mask;
  double dropout;         ///< probability that a weight is zeroed
  uint64_t dropout_seed;  ///< decides which; 0: none
  const T* q;             ///< [rows, queries, heads, head_dim]; the inner two contiguous
  const T* k;             ///< [rows, block_keys, heads, head_dim]; the same
  const T* v;
  int64_t q_row_stride, q_stride, kv_row_stride, kv_stride;
  const double* span;  ///< [rows, block_keys]
  const int32_t*
      episode_begin;  ///< [rows, block_keys]: block step at which that step's episode began; -1: before the block
  const T* bank_k;    ///< [N, heads, head_dim]; the inner two contiguous
  const T* bank_v;
  int64_t bank_stride;
  const double* bank_span;    ///< [N]
  const int64_t* bank_age;    ///< [N], >= 1
  const int64_t* bank_begin;  ///< [rows]
  const int64_t* bank_count;  ///< [rows]
  const T* position_keys;     ///< [head_dim, positions]

  // Forward writes; backward reads the first three.
  T* out;            ///< [rows, queries, heads, head_dim], contiguous
  Real* max_score;   ///< [rows, heads, queries]
  Real* normaliser;  ///< [rows, heads, queries]: the denominator with scores shifted by max_score
  double* ramp_sum;  ///< [rows]: sum of r over the seen pairs with 0 < m < 1
  int32_t* living;   ///< [rows, queries]: seen keys with m > 0
  T* weights;  ///< null, or [rows, heads, queries, weights_stride]: p; bank memories from the left, block steps in the
               ///< last columns
  int64_t weights_stride;

  // Backward reads `out` and the gradients of out and ramp_sum. It sets grad_q and what is seen of grad_k, grad_v,
  // grad_bank_k and grad_bank_v, and adds to the spans' gradients: all but grad_q start at zero. All are contiguous.
  const T* grad_out;
  const double* grad_ramp_sum;
  T* grad_q;  ///< [rows, queries, heads, head_dim]
  T* grad_k;  ///< [rows, block_keys, heads, head_dim]
  T* grad_v;
  double* grad_span;
  T* grad_bank_k;  ///< [N, heads, head_dim]
  T* grad_bank_v;
  double* grad_bank_span;
};

/// Both work on rows [first, end): rows are independent, but for grad_position_keys [head_dim, positions], which
/// backward adds to. Rows must not share memories.
template <class T>
struct ExpireAttentionKernels {
  void (*forward)(const ExpireAttentionArgs<T>&, int64_t first, int64_t end, void* scratch);
  void (*backward)(const ExpireAttentionArgs<T>&, int64_t first, int64_t end, void* scratch,
                   ComputeType<T>* grad_position_keys);
  /// Bytes of scratch (64-byte aligned) of one call on rows that see at most `longest` keys, bank and block together.
  int64_t (*scratch_bytes)(const ExpireAttentionArgs<T>&, int64_t longest, bool is_backward);
};

/// The fastest build of the kernels that this processor runs. Threads: the kernels are pure; scratch is the caller's.
template <class T>
const ExpireAttentionKernels<T>& SelectExpireAttention();

}  // namespace lethe::memory
