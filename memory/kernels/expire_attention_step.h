#pragma once

// Expire-attention of a single query per row, as an actor asks it step by step: keys are looked at one after the other
// and never copied; a whole panel of queries would be idle lanes. Compiled once per machine: see simd.h.

#include "memory/kernels/expire_attention_tile.h"

namespace lethe::memory::LETHE_ISA {

/// What one query sees, in order of time.
template <class S>
struct SeenKeys {
  int64_t size = 0;
  const S **k, **v;            // first head
  int64_t *position, *column;  // column of position_keys (< 0: none) and of weights
  ComputeType<S>*m, *scores;   // padded to whole vectors
};

template <class S>
inline int64_t CarveStep(int64_t longest, void* scratch, const ExpireAttentionArgs<S>& a, SeenKeys<S>& seen,
                         ComputeType<S>*& position_rows) {
  using T = ComputeType<S>;
  Arena arena{static_cast<char*>(scratch)};
  seen.k = arena.Take<const S*>(longest);
  seen.v = arena.Take<const S*>(longest);
  seen.position = arena.Take<int64_t>(longest);
  seen.column = arena.Take<int64_t>(longest);
  seen.m = arena.Take<T>(PadToLanes<T>(longest));
  seen.scores = arena.Take<T>(PadToLanes<T>(longest));
  position_rows = arena.Take<T>(a.positions * PadToLanes<T>(a.head_dim));
  return arena.used;
}

/// Adds a key of the given age if it lives; its m comes from the one function that decides.
template <class S>
inline void See(const ExpireAttentionArgs<S>& a, const S* k, const S* v, int64_t age, double span, int64_t column,
                double& ramp_sum, int32_t& living, SeenKeys<S>& seen) {
  if (!(static_cast<double>(age) <= a.window)) return;
  const double remaining = (span > a.shorten ? a.shorten : span) - static_cast<double>(age);
  double m = SpanMask(remaining, a.ramp);
  if (m > 0 && remaining < 0) ramp_sum += remaining;
  if (m < a.least_mask) m = a.least_mask;
  if (!(m > 0)) return;
  ++living;
  const int64_t n = seen.size++;
  seen.k[n] = k, seen.v[n] = v;
  seen.position[n] = a.positions - age;
  seen.column[n] = column;
  seen.m[n] = static_cast<ComputeType<S>>(m);
}

template <class S>
inline void SeeRow(const ExpireAttentionArgs<S>& a, int64_t row, SeenKeys<S>& seen) {
  const int64_t step = a.block_keys - 1, begin = a.episode_begin[row * a.block_keys + step],
                longest = a.weights_stride - a.block_keys;
  double ramp_sum = 0;
  int32_t living = 0;
  seen.size = 0;
  for (int64_t i = 0; begin < 0 && i < a.bank_count[row]; ++i) {
    const int64_t at = a.bank_begin[row] + i;
    See(a, a.bank_k + at * a.bank_stride, a.bank_v + at * a.bank_stride, a.bank_age[at] + step, a.bank_span[at], i,
        ramp_sum, living, seen);
  }
  for (int64_t j = begin < 0 ? 0 : begin; j < step; ++j) {
    const int64_t at = row * a.kv_row_stride + j * a.kv_stride;
    See(a, a.k + at, a.v + at, step - j, a.span[row * a.block_keys + j], longest + j, ramp_sum, living, seen);
  }
  for (int64_t n = seen.size; n < PadToLanes<ComputeType<S>>(seen.size); ++n) seen.m[n] = 0, seen.scores[n] = 0;
  a.ramp_sum[row] = ramp_sum;
  a.living[row] = living;
}

/// q . (k + position key); q is padded with zeros, the others end where they end.
template <class S, class T>
inline T KeyScore(const T* q, const S* k, const T* position, int64_t head_dim) {
  if constexpr (sizeof(S) == sizeof(T)) {
    if (head_dim % kLanes<T> == 0) {
      Vec<T> sum{};
      for (int64_t d = 0; d < head_dim; d += kLanes<T>)
        sum += Load(q + d) * (position != nullptr ? Load(k + d) + Load(position + d) : Load(k + d));
      return Sum<T>(sum);
    }
  }
  T sum = 0;
  for (int64_t d = 0; d < head_dim; ++d) sum += q[d] * (Real(k[d]) + (position != nullptr ? position[d] : T(0)));
  return sum;
}

/// Scores of one head become p before division, in place; gives the largest score and the sums.
template <class T>
inline void StepSoftmax(int64_t size, const T* m, T* s, T* top_score, T* masked_sum, T* plain_sum) {
  Vec<T> top = Broadcast(static_cast<T>(-__builtin_huge_val()));
  const int64_t padded = PadToLanes<T>(size);
  for (int64_t n = 0; n < padded; n += kLanes<T>) {
    const Vec<T> x = Load(m + n) > T(0) ? Load(s + n) : top;
    top = x > top ? x : top;
  }
  const T max = size > 0 ? Max<T>(top) : T(0);
  Vec<T> masked{}, plain{};
  for (int64_t n = 0; n < padded; n += kLanes<T>) {
    const Vec<T> mask = Load(m + n);
    const Vec<T> e = mask > T(0) ? Exp(Load(s + n) - max) : Vec<T>{};
    masked += mask * e;
    plain += e;
    Store(s + n, mask * e);
  }
  *top_score = max, *masked_sum = Sum<T>(masked), *plain_sum = Sum<T>(plain);
}

template <class S>
inline void StepHead(const ExpireAttentionArgs<S>& a, int64_t row, int64_t head, const ComputeType<S>* position_rows,
                     SeenKeys<S>& seen) {
  using T = ComputeType<S>;
  constexpr int64_t kMost = 1024;  // head_dim; larger ones take the general way
  T q[kMost], out[kMost];
  const int64_t offset = head * a.head_dim, padded = PadToLanes<T>(a.head_dim), at = row * a.heads + head;
  const T scale = static_cast<T>(1 / __builtin_sqrt(static_cast<double>(a.head_dim)));
  for (int64_t d = 0; d < padded; ++d)
    q[d] = d < a.head_dim ? Real(a.q[row * a.q_row_stride + offset + d]) * scale : T(0), out[d] = 0;
  for (int64_t n = 0; n < seen.size; ++n) {
    const T* position = seen.position[n] >= 0 ? position_rows + seen.position[n] * padded : nullptr;
    seen.scores[n] = KeyScore(q, seen.k[n] + offset, position, a.head_dim);
  }
  T plain;
  StepSoftmax(seen.size, seen.m, seen.scores, a.max_score + at, a.normaliser + at, &plain);
  a.normaliser[at] += static_cast<T>(a.epsilon) * plain;
  const T inverse = a.normaliser[at] > T(0) ? 1 / a.normaliser[at] : T(0);
  for (int64_t n = 0; n < seen.size; ++n) {
    const T p = seen.scores[n] * inverse;
    const S* v = seen.v[n] + offset;
    for (int64_t d = 0; d < a.head_dim; ++d) out[d] += p * Real(v[d]);
    if (a.weights != nullptr) Set(a.weights[at * a.weights_stride + seen.column[n]], p);
  }
  WriteRow(out, a.head_dim, a.out + at * a.head_dim);
}

/// True for calls that ForwardStep computes: one query, no dropout.
template <class S>
inline bool IsStep(const ExpireAttentionArgs<S>& a) {
  return a.queries == 1 && a.head_dim <= 1024 && (a.dropout_seed == 0 || a.dropout == 0);
}

template <class S>
inline void ForwardStep(const ExpireAttentionArgs<S>& a, int64_t first, int64_t end, int64_t longest, void* scratch) {
  using T = ComputeType<S>;
  SeenKeys<S> seen;
  T* position_rows;
  CarveStep(longest, scratch, a, seen, position_rows);
  const int64_t padded = PadToLanes<T>(a.head_dim);
  for (int64_t i = 0; i < a.positions; ++i)
    for (int64_t d = 0; d < padded; ++d)
      position_rows[i * padded + d] = d < a.head_dim ? Real(a.position_keys[d * a.positions + i]) : T(0);
  for (int64_t row = first; row < end; ++row) {
    SeeRow(a, row, seen);
    for (int64_t head = 0; head < a.heads; ++head) StepHead(a, row, head, position_rows, seen);
  }
}

}  // namespace lethe::memory::LETHE_ISA
