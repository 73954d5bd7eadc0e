#pragma once

// Expire-attention for one machine: see expire_attention.h for what is computed and simd.h for why LETHE_ISA.
//
//  per row:   plan  = the keys that some query sees, each with the interval of queries [from, to) that see it
//             mask  = m of every (query, key), 0 outside the interval; shared by all heads
//  per head:  gather K and V of the plan, scores = Q K^T + positions, p = m exp(scores - max), out = P V
//
// All matrices are padded with zeros to whole vectors of keys or of head dimensions.

#include "memory/kernels/expire_attention.h"
#include "memory/kernels/simd.h"
#include "memory/kernels/span_mask.h"

namespace lethe::memory::LETHE_ISA {

/// Cuts the caller's scratch into arrays, each on a line of its own. With a null start it only measures.
struct Arena {
  char* start;
  int64_t used = 0;
  template <class U>
  U* Take(int64_t n) {
    U* p = start == nullptr ? nullptr : reinterpret_cast<U*>(start + used);
    used += (n * static_cast<int64_t>(sizeof(U)) + 63) / 64 * 64;
    return p;
  }
};

/// The keys of one row that some query sees with m > 0, in order of time.
struct Plan {
  int64_t size;
  int64_t* index;     // bank memory i as i, block step j as -1 - j
  double* span;       // shortened
  double* age;        // at query 0; grows by one per query
  int64_t* position;  // column of position_keys at query 0; falls by one per query; < 0: no position term
  int64_t* from;      // seen by queries [from, to)
  int64_t* to;
  bool* shortened;    // the span was cut, so it gets no gradient
  int64_t* episode_end;  // per block step: the first step of a later episode
};

template <class T>
struct Work {
  Plan plan;
  int64_t keys, dims, positions;  // padded sizes
  T *mask, *p, *grad_p, *grad_scores, *grad_mask;            // [queries, keys]
  T *k_t, *v_t;                                              // [head_dim, keys]
  T *k, *v, *grad_k, *grad_v;                                // [keys, dims]
  T *q, *grad_out, *grad_q, *out;                            // [queries, dims]
  T *position_scores, *grad_position_scores;                 // [queries, positions]
  T *position_keys, *grad_position_keys, *position_keys_t;   // [head_dim, positions] twice, [positions, dims]
};

template <class T>
int64_t Carve(const ExpireAttentionArgs<T>& a, int64_t longest, void* scratch, Work<T>& w) {
  Arena arena{static_cast<char*>(scratch)};
  w.keys = PadToLanes<T>(longest);
  w.dims = PadToLanes<T>(a.head_dim);
  w.positions = PadToLanes<T>(a.positions);
  w.plan.index = arena.Take<int64_t>(longest);
  w.plan.span = arena.Take<double>(longest);
  w.plan.age = arena.Take<double>(longest);
  w.plan.position = arena.Take<int64_t>(longest);
  w.plan.from = arena.Take<int64_t>(longest);
  w.plan.to = arena.Take<int64_t>(longest);
  w.plan.shortened = arena.Take<bool>(longest);
  w.plan.episode_end = arena.Take<int64_t>(a.block_keys);
  const auto take = [&arena](int64_t n, auto&... arrays) { ((arrays = arena.Take<T>(n)), ...); };
  take(a.queries * w.keys, w.mask, w.p, w.grad_p, w.grad_scores, w.grad_mask);
  take(a.head_dim * w.keys, w.k_t, w.v_t);
  take(w.keys * w.dims, w.k, w.v, w.grad_k, w.grad_v);
  take(a.queries * w.dims, w.q, w.grad_out, w.grad_q, w.out);
  take(a.queries * w.positions, w.position_scores, w.grad_position_scores);
  take(a.head_dim * w.positions, w.position_keys, w.grad_position_keys);
  w.position_keys_t = arena.Take<T>(w.positions * w.dims);
  return arena.used;
}

/// The first query of [from, limit) at which a memory is gone; m falls with every query, so guess and correct.
inline int64_t EndOfLife(double span, double age, double ramp, int64_t from, int64_t limit) {
  const double guess = span - age + ramp;
  int64_t t = guess >= static_cast<double>(limit) ? limit : (guess > static_cast<double>(from) ? static_cast<int64_t>(guess) : from);
  while (t < limit && SpanMask(span - (age + static_cast<double>(t)), ramp) > 0) ++t;
  while (t > from && !(SpanMask(span - (age + static_cast<double>(t - 1)), ramp) > 0)) --t;
  return t;
}

template <class T>
void AddKey(const ExpireAttentionArgs<T>& a, int64_t index, int64_t age, double span, int64_t from, int64_t limit,
            Plan& plan) {
  const bool shortened = span > a.shorten;
  const double cut = shortened ? a.shorten : span;
  const int64_t to = EndOfLife(cut, static_cast<double>(age), a.ramp, from, limit);
  if (to <= from) return;
  const int64_t n = plan.size++;
  plan.index[n] = index;
  plan.span[n] = cut;
  plan.age[n] = static_cast<double>(age);
  plan.position[n] = a.positions - age;
  plan.from[n] = from;
  plan.to[n] = to;
  plan.shortened[n] = shortened;
}

template <class T>
void MakePlan(const ExpireAttentionArgs<T>& a, int64_t row, Plan& plan) {
  const int64_t first = a.block_keys - a.queries;
  const int32_t* begin = a.episode_begin + row * a.block_keys;
  for (int64_t j = a.block_keys - 1, next = a.block_keys; j >= 0; --j) {
    plan.episode_end[j] = next;
    if (begin[j] == j) next = j;
  }
  plan.size = 0;
  int64_t old = 0;  // queries [0, old) still belong to the episode that the bank remembers
  while (old < a.queries && begin[first + old] < 0) ++old;
  const int64_t bank = a.bank_begin[row];
  for (int64_t i = bank; old > 0 && i < bank + a.bank_count[row]; ++i)
    AddKey(a, i, a.bank_age[i] + first, a.bank_span[i], 0, old, plan);
  const double* span = a.span + row * a.block_keys;
  for (int64_t j = 0; j < a.block_keys; ++j) {
    const int64_t from = j + 1 > first ? j + 1 - first : 0;
    AddKey(a, -1 - j, first - j, span[j], from, plan.episode_end[j] - first, plan);
  }
}

/// Span minus age at query t. Ages are whole, so their sum is exact: a step and a block round alike.
inline double Remaining(const Plan& plan, int64_t key, int64_t t) {
  return plan.span[key] - (plan.age[key] + static_cast<double>(t));
}

template <class T>
void FillMask(const ExpireAttentionArgs<T>& a, const Plan& plan, int64_t keys, T* mask) {
  for (int64_t t = 0; t < a.queries; ++t) {
    T* m = mask + t * keys;
    for (int64_t j = 0; j < plan.size; ++j) {
      const double x = SpanMask(Remaining(plan, j, t), a.ramp);
      m[j] = t >= plan.from[j] && t < plan.to[j] ? static_cast<T>(x) : T(0);
    }
    for (int64_t j = plan.size; j < keys; ++j) m[j] = 0;
  }
}

template <class T>
inline void CopyRow(const T* from, int64_t n, int64_t padded, T* to) {
  for (int64_t d = 0; d < n; ++d) to[d] = from[d];
  for (int64_t d = n; d < padded; ++d) to[d] = 0;
}

/// Columns of a [rows, padded] matrix become rows of a [padded_rows, stride] one.
template <class T>
inline void TransposeRows(const T* from, int64_t rows, int64_t stride, int64_t cols, int64_t padded_rows, T* to) {
  for (int64_t d = 0; d < cols; ++d) {
    for (int64_t j = 0; j < rows; ++j) to[d * padded_rows + j] = from[j * stride + d];
    for (int64_t j = rows; j < padded_rows; ++j) to[d * padded_rows + j] = 0;
  }
}

template <class T>
void GatherHead(const ExpireAttentionArgs<T>& a, int64_t row, int64_t head, Work<T>& w) {
  const int64_t offset = head * a.head_dim;
  for (int64_t n = 0; n < w.plan.size; ++n) {
    const int64_t index = w.plan.index[n];
    const int64_t step = row * a.kv_row_stride - (index + 1) * a.kv_stride;
    const T* k = index >= 0 ? a.bank_k + index * a.bank_stride : a.k + step;
    const T* v = index >= 0 ? a.bank_v + index * a.bank_stride : a.v + step;
    CopyRow(k + offset, a.head_dim, w.dims, w.k + n * w.dims);
    CopyRow(v + offset, a.head_dim, w.dims, w.v + n * w.dims);
  }
  for (int64_t t = 0; t < a.queries; ++t)
    CopyRow(a.q + row * a.q_row_stride + t * a.q_stride + offset, a.head_dim, w.dims, w.q + t * w.dims);
  TransposeRows(w.k, w.plan.size, w.dims, a.head_dim, w.keys, w.k_t);
}

/// For every key with a position term at query t, calls use(key, position, count) on runs of consecutive positions.
template <class F>
inline void ForPositionRuns(const Plan& plan, int64_t t, int64_t positions, F use) {
  int64_t j = plan.size - 1;
  while (j >= 0 && plan.position[j] - t >= positions) --j;  // not yet seen
  while (j >= 0 && plan.position[j] - t >= 0) {
    int64_t i = j;
    while (i > 0 && plan.position[i - 1] == plan.position[i] - 1 && plan.position[i - 1] - t >= 0) --i;
    use(i, plan.position[i] - t, j - i + 1);
    j = i - 1;
  }
}

template <class T>
void Scores(const ExpireAttentionArgs<T>& a, Work<T>& w, T* scores) {
  const int64_t keys = PadToLanes<T>(w.plan.size);
  Product(a.queries, keys, a.head_dim, w.q, w.dims, 1, w.k_t, w.keys, scores, w.keys, false);
  Product(a.queries, w.positions, a.head_dim, w.q, w.dims, 1, w.position_keys, w.positions, w.position_scores,
          w.positions, false);
  for (int64_t t = 0; t < a.queries; ++t) {
    T* s = scores + t * w.keys;
    const T* extra = w.position_scores + t * w.positions;
    ForPositionRuns(w.plan, t, a.positions, [&](int64_t key, int64_t position, int64_t count) {
      for (int64_t i = 0; i < count; ++i) s[key + i] += extra[position + i];
    });
  }
}

template <class T>
inline T Scale(const ExpireAttentionArgs<T>& a) {
  return static_cast<T>(1 / __builtin_sqrt(static_cast<double>(a.head_dim)));
}

/// exp(score - max) where m > 0, else 0.
template <class T>
inline Vec<T> Weight(Vec<T> score, T scale, T max, Vec<T> mask) {
  const Vec<T> e = Exp(score * scale - max);
  return mask > T(0) ? e : Vec<T>{};
}

/// p of one query in place of its scores.
template <class T>
void Softmax(const ExpireAttentionArgs<T>& a, int64_t keys, const T* mask, T* s, T* max_score, T* normaliser) {
  const T scale = Scale(a);
  Vec<T> top = Broadcast(static_cast<T>(-__builtin_huge_val()));
  for (int64_t j = 0; j < keys; j += kLanes<T>) {
    const Vec<T> x = Load(s + j) * scale, m = Load(mask + j);
    const Vec<T> seen = m > T(0) ? x : top;
    top = seen > top ? seen : top;
  }
  const T max = Max<T>(top);
  Vec<T> masked{}, plain{};
  const bool nothing_seen = max == static_cast<T>(-__builtin_huge_val());
  for (int64_t j = 0; j < keys; j += kLanes<T>) {
    const Vec<T> m = Load(mask + j);
    const Vec<T> e = nothing_seen ? Vec<T>{} : Weight<T>(Load(s + j), scale, max, m);
    masked += m * e;
    plain += e;
    Store(s + j, m * e);
  }
  const T sum = Sum<T>(masked) + static_cast<T>(a.epsilon) * Sum<T>(plain);
  const T inverse = sum > T(0) ? 1 / sum : T(0);
  for (int64_t j = 0; j < keys; j += kLanes<T>) Store(s + j, Load(s + j) * inverse);
  *max_score = nothing_seen ? T(0) : max;
  *normaliser = sum;
}

template <class T>
void CountRow(const ExpireAttentionArgs<T>& a, int64_t row, const Work<T>& w) {
  double ramp_sum = 0;
  for (int64_t t = 0; t < a.queries; ++t) a.living[row * a.queries + t] = 0;
  for (int64_t j = 0; j < w.plan.size; ++j) {
    for (int64_t t = w.plan.from[j]; t < w.plan.to[j]; ++t) {
      const double remaining = Remaining(w.plan, j, t);
      if (remaining < 0) ramp_sum += remaining;
      ++a.living[row * a.queries + t];
    }
  }
  a.ramp_sum[row] = ramp_sum;
}

template <class T>
void WriteWeights(const ExpireAttentionArgs<T>& a, int64_t row, int64_t head, const Work<T>& w) {
  for (int64_t t = 0; t < a.queries; ++t) {
    T* to = a.weights + ((row * a.heads + head) * a.queries + t) * a.weights_stride;
    for (int64_t n = 0; n < w.plan.size; ++n) {
      const int64_t index = w.plan.index[n];
      to[index >= 0 ? index - a.bank_begin[row] : a.weights_stride - a.block_keys - 1 - index] = w.p[t * w.keys + n];
    }
  }
}

template <class T>
void Forward(const ExpireAttentionArgs<T>& a, void* scratch) {
  Work<T> w;
  int64_t longest = 0;
  for (int64_t b = 0; b < a.rows; ++b) longest = a.bank_count[b] > longest ? a.bank_count[b] : longest;
  Carve(a, longest + a.block_keys, scratch, w);
  for (int64_t d = 0; d < a.head_dim; ++d)
    CopyRow(a.position_keys + d * a.positions, a.positions, w.positions, w.position_keys + d * w.positions);
  for (int64_t row = 0; row < a.rows; ++row) {
    MakePlan(a, row, w.plan);
    const int64_t keys = PadToLanes<T>(w.plan.size);
    FillMask(a, w.plan, w.keys, w.mask);
    CountRow(a, row, w);
    for (int64_t head = 0; head < a.heads; ++head) {
      GatherHead(a, row, head, w);
      Scores(a, w, w.p);
      for (int64_t t = 0; t < a.queries; ++t) {
        const int64_t at = (row * a.heads + head) * a.queries + t;
        Softmax(a, keys, w.mask + t * w.keys, w.p + t * w.keys, a.max_score + at, a.normaliser + at);
      }
      Product(a.queries, w.dims, w.plan.size, w.p, w.keys, 1, w.v, w.dims, w.out, w.dims, false);
      for (int64_t t = 0; t < a.queries; ++t)
        CopyRow(w.out + t * w.dims, a.head_dim, a.head_dim, a.out + ((row * a.queries + t) * a.heads + head) * a.head_dim);
      if (a.weights != nullptr) WriteWeights(a, row, head, w);
    }
  }
}

/// Gradients of one query's scores and mask. With E = exp(s - max) / normaliser and g = dL/dp:
/// dL/ds = p (g - p . g) - epsilon E (p . g),  dL/dm = E (g - p . g).
template <class T>
void SoftmaxBackward(const ExpireAttentionArgs<T>& a, int64_t keys, const T* mask, const T* grad_p, T max, T normaliser,
                     T* s_to_p, T* grad_s, T* grad_mask) {
  const T scale = Scale(a), inverse = normaliser > T(0) ? 1 / normaliser : T(0), epsilon = static_cast<T>(a.epsilon);
  Vec<T> dot{};
  for (int64_t j = 0; j < keys; j += kLanes<T>) {
    const Vec<T> m = Load(mask + j);
    const Vec<T> e = Weight<T>(Load(s_to_p + j), scale, max, m) * inverse;
    Store(grad_s + j, e);
    Store(s_to_p + j, m * e);
    dot += m * e * Load(grad_p + j);
  }
  const T pg = Sum<T>(dot);
  for (int64_t j = 0; j < keys; j += kLanes<T>) {
    const Vec<T> e = Load(grad_s + j), g = Load(grad_p + j);
    Store(grad_mask + j, Load(grad_mask + j) + e * (g - pg));
    Store(grad_s + j, (Load(s_to_p + j) * (g - pg) - epsilon * e * pg) * scale);
  }
}

template <class T>
void BackwardPositions(const ExpireAttentionArgs<T>& a, Work<T>& w) {
  for (int64_t i = 0; i < a.queries * w.positions; ++i) w.grad_position_scores[i] = 0;
  for (int64_t t = 0; t < a.queries; ++t) {
    const T* gs = w.grad_scores + t * w.keys;
    T* to = w.grad_position_scores + t * w.positions;
    ForPositionRuns(w.plan, t, a.positions, [&](int64_t key, int64_t position, int64_t count) {
      for (int64_t i = 0; i < count; ++i) to[position + i] += gs[key + i];
    });
  }
  Product(a.queries, w.dims, a.positions, w.grad_position_scores, w.positions, 1, w.position_keys_t, w.dims, w.grad_q,
          w.dims, true);
  Product(a.head_dim, w.positions, a.queries, w.q, 1, w.dims, w.grad_position_scores, w.positions, w.grad_position_keys,
          w.positions, true);
}

template <class T>
void ScatterHead(const ExpireAttentionArgs<T>& a, int64_t row, int64_t head, const Work<T>& w) {
  const int64_t offset = head * a.head_dim, stride = a.heads * a.head_dim;
  for (int64_t n = 0; n < w.plan.size; ++n) {
    const int64_t index = w.plan.index[n];
    const int64_t step = row * a.block_keys - 1 - index;
    T* gk = (index >= 0 ? a.grad_bank_k + index * stride : a.grad_k + step * stride) + offset;
    T* gv = (index >= 0 ? a.grad_bank_v + index * stride : a.grad_v + step * stride) + offset;
    for (int64_t d = 0; d < a.head_dim; ++d) gk[d] += w.grad_k[n * w.dims + d];
    for (int64_t d = 0; d < a.head_dim; ++d) gv[d] += w.grad_v[n * w.dims + d];
  }
  for (int64_t t = 0; t < a.queries; ++t)
    CopyRow(w.grad_q + t * w.dims, a.head_dim, a.head_dim, a.grad_q + (row * a.queries + t) * stride + offset);
}

/// de of a key = sum over the queries on its ramp of dm / R, plus the charge of ramp_sum.
template <class T>
void BackwardSpans(const ExpireAttentionArgs<T>& a, int64_t row, const Work<T>& w) {
  for (int64_t n = 0; n < w.plan.size; ++n) {
    if (w.plan.shortened[n]) continue;
    double grad = 0;
    for (int64_t t = w.plan.from[n]; t < w.plan.to[n]; ++t)
      if (Remaining(w.plan, n, t) < 0)
        grad += static_cast<double>(w.grad_mask[t * w.keys + n]) / a.ramp + a.grad_ramp_sum[row];
    const int64_t index = w.plan.index[n];
    if (index >= 0) {
      a.grad_bank_span[index] += grad;
    } else {
      a.grad_span[row * a.block_keys - 1 - index] += grad;
    }
  }
}

template <class T>
void BackwardHead(const ExpireAttentionArgs<T>& a, int64_t row, int64_t head, Work<T>& w) {
  const int64_t keys = PadToLanes<T>(w.plan.size);
  GatherHead(a, row, head, w);
  TransposeRows(w.v, w.plan.size, w.dims, a.head_dim, w.keys, w.v_t);
  for (int64_t t = 0; t < a.queries; ++t)
    CopyRow(a.grad_out + ((row * a.queries + t) * a.heads + head) * a.head_dim, a.head_dim, w.dims, w.grad_out + t * w.dims);
  Scores(a, w, w.p);
  Product(a.queries, keys, a.head_dim, w.grad_out, w.dims, 1, w.v_t, w.keys, w.grad_p, w.keys, false);
  for (int64_t t = 0; t < a.queries; ++t) {
    const int64_t at = (row * a.heads + head) * a.queries + t, line = t * w.keys;
    SoftmaxBackward(a, keys, w.mask + line, w.grad_p + line, a.max_score[at], a.normaliser[at], w.p + line,
                    w.grad_scores + line, w.grad_mask + line);
  }
  Product(a.queries, w.dims, w.plan.size, w.grad_scores, w.keys, 1, w.k, w.dims, w.grad_q, w.dims, false);
  Product(w.plan.size, w.dims, a.queries, w.grad_scores, 1, w.keys, w.q, w.dims, w.grad_k, w.dims, false);
  Product(w.plan.size, w.dims, a.queries, w.p, 1, w.keys, w.grad_out, w.dims, w.grad_v, w.dims, false);
  BackwardPositions(a, w);
  ScatterHead(a, row, head, w);
}

template <class T>
void Backward(const ExpireAttentionArgs<T>& a, void* scratch) {
  Work<T> w;
  int64_t longest = 0;
  for (int64_t b = 0; b < a.rows; ++b) longest = a.bank_count[b] > longest ? a.bank_count[b] : longest;
  Carve(a, longest + a.block_keys, scratch, w);
  for (int64_t d = 0; d < a.head_dim; ++d)
    CopyRow(a.position_keys + d * a.positions, a.positions, w.positions, w.position_keys + d * w.positions);
  for (int64_t i = 0; i < a.positions; ++i) {
    T* to = w.position_keys_t + i * w.dims;
    for (int64_t d = 0; d < w.dims; ++d) to[d] = d < a.head_dim ? a.position_keys[d * a.positions + i] : T(0);
  }
  for (int64_t i = 0; i < a.head_dim * w.positions; ++i) w.grad_position_keys[i] = 0;
  for (int64_t row = 0; row < a.rows; ++row) {
    MakePlan(a, row, w.plan);
    FillMask(a, w.plan, w.keys, w.mask);
    for (int64_t i = 0; i < a.queries * w.keys; ++i) w.grad_mask[i] = 0;
    for (int64_t head = 0; head < a.heads; ++head) BackwardHead(a, row, head, w);
    BackwardSpans(a, row, w);
  }
  for (int64_t d = 0; d < a.head_dim; ++d)
    for (int64_t i = 0; i < a.positions; ++i) a.grad_position_keys[d * a.positions + i] += w.grad_position_keys[d * w.positions + i];
}

template <class T>
int64_t ScratchBytes(const ExpireAttentionArgs<T>& a, int64_t longest) {
  Work<T> w;
  return Carve(a, longest, nullptr, w);
}

template <class T>
constexpr ExpireAttentionKernels<T> kKernels = {Forward<T>, Backward<T>, ScratchBytes<T>};

}  // namespace lethe::memory::LETHE_ISA
