#pragma once

// One step of a transformer with banked memories, for one machine. Rows pass in tiles: a tile goes through all layers
// while its activations lie in the nearest cache, and weights come as panels that were packed once per unroll.

#include "memory/kernels/expire_attention_step.h"
#include "memory/kernels/step.h"

namespace lethe::memory {

template <class T>
double SpanOf(const SpanRule& rule, const T* g);  // span_rule.h, whose standard headers must not come in here

}  // namespace lethe::memory

namespace lethe::memory::LETHE_ISA {

static_assert(kGroupKeys == kLanes<float>);

/// Rows of a tile: whole tiles of the matrix product on every machine.
inline constexpr int64_t kStepRows = 24;

inline constexpr int64_t PadToPanels(int64_t n) { return (n + kPanelColumns - 1) / kPanelColumns * kPanelColumns; }

/// What one row sees: keys of the listed groups, numbered through.
struct SeenRow {
  int64_t groups, size;  ///< of the list; living keys
  float* m;              ///< [groups * kGroupKeys]
  int32_t* living;       ///< [size] numbers of the living keys, in order of time
};

struct StepWork {
  int64_t x_row, qkv_row, hidden_row, near_row, lanes;  // strides
  float *x, *g, *qkv, *attended, *hidden;               // [kStepRows, stride]
  float* near;                                          // [kStepRows, heads, near_row]: q . position keys by column
  float *scores, *inverse;                              // [heads, lanes], [heads]: p and what normalises it
  SeenRow seen[kStepRows];
};

inline int64_t CarveStepWork(const StepShape& s, void* scratch, StepWork& w) {
  Arena arena{static_cast<char*>(scratch)};
  w.x_row = PadToPanels(s.dim), w.qkv_row = PadToPanels(3 * s.width), w.hidden_row = PadToPanels(s.ffn);
  // Zeros on both sides: a vector of consecutive ages may reach beyond the nearest and the oldest position.
  w.near_row = PadToLanes<float>(s.positions) + 2 * kGroupKeys;
  w.lanes = s.most_groups * kGroupKeys;
  w.x = arena.Take<float>(kStepRows * w.x_row);
  w.g = arena.Take<float>(kStepRows * w.x_row);
  w.qkv = arena.Take<float>(kStepRows * w.qkv_row);
  w.attended = arena.Take<float>(kStepRows * s.width);
  w.hidden = arena.Take<float>(kStepRows * w.hidden_row);
  w.near = arena.Take<float>(s.positions > 0 ? kStepRows * s.heads * w.near_row : 0);
  w.scores = arena.Take<float>(s.heads * w.lanes);
  w.inverse = arena.Take<float>(s.heads);
  for (SeenRow& row : w.seen) {
    row.m = arena.Take<float>(w.lanes);
    row.living = arena.Take<int32_t>(w.lanes);
  }
  return arena.used;
}

/// C = A W^T for W in panels, added to C if `accumulate`.
inline void MultiplyPanels(int64_t rows, int64_t cols, int64_t depth, const float* a, int64_t a_row,
                           const float* panels, float* c, int64_t c_row, bool accumulate) {
  for (int64_t j = 0; j < cols; j += kPanelColumns)
    Product(rows, kPanelColumns, depth, a, a_row, 1, panels + j * depth, kPanelColumns, c + j, c_row, accumulate);
}

/// Layer norm of one row; y may be x.
inline void NormRow(const float* x, const float* weight, const float* bias, int64_t dim, float* y) {
  const int64_t whole = dim / kLanes<float> * kLanes<float>;
  Vec<float> sums{};
  for (int64_t d = 0; d < whole; d += kLanes<float>) sums += Load(x + d);
  float sum = Sum<float>(sums);
  for (int64_t d = whole; d < dim; ++d) sum += x[d];
  const float mean = sum / static_cast<float>(dim);
  Vec<float> squares{};
  for (int64_t d = 0; d < whole; d += kLanes<float>) squares += (Load(x + d) - mean) * (Load(x + d) - mean);
  float square = Sum<float>(squares);
  for (int64_t d = whole; d < dim; ++d) square += (x[d] - mean) * (x[d] - mean);
  const float scale =
      static_cast<float>(1 / __builtin_sqrt(static_cast<double>(square) / static_cast<double>(dim) + 1e-5));
  for (int64_t d = 0; d < whole; d += kLanes<float>)
    Store(y + d, (Load(x + d) - mean) * scale * Load(weight + d) + Load(bias + d));
  for (int64_t d = whole; d < dim; ++d) y[d] = (x[d] - mean) * scale * weight[d] + bias[d];
}

inline void NormRows(int64_t rows, const float* x, int64_t x_row, const float* weight, const float* bias, int64_t dim,
                     float* y, int64_t y_row) {
  for (int64_t i = 0; i < rows; ++i) NormRow(x + i * x_row, weight, bias, dim, y + i * y_row);
}

/// Rotates the halves of every head by this step's angles.
inline void RotateRow(const StepShape& s, int64_t step, float* x) {
  const int64_t half = s.head_dim / 2;
  const float *cos = s.cos + step * half, *sin = s.sin + step * half;
  for (int64_t head = 0; head < s.heads; ++head) {
    float *a = x + head * s.head_stride, *b = a + half;
    for (int64_t i = 0; i < half; ++i) {
      const float from_a = a[i], from_b = b[i];
      a[i] = from_a * cos[i] - from_b * sin[i];
      b[i] = from_a * sin[i] + from_b * cos[i];
    }
  }
}

/// Masks of what a row remembers. Groups in which all has expired leave the list: they never come back.
inline void Look(const StepShape& s, const StepLayer& l, int64_t row, int64_t step, SeenRow& seen) {
  int32_t* list = l.list + l.first_group[row];
  const double now = static_cast<double>(step);
  seen.groups = seen.size = 0;
  for (int64_t i = 0; i < l.listed[row]; ++i) {
    const double *span = l.span + list[i] * kGroupKeys, *age = l.age + list[i] * kGroupKeys;
    float* m = seen.m + seen.groups * kGroupKeys;
    for (int64_t n = 0; n < kGroupKeys; ++n) m[n] = static_cast<float>(SpanMask(span[n] - (age[n] + now), s.ramp));
    const int64_t before = seen.size;
    for (int64_t n = 0; n < kGroupKeys; ++n) {
      seen.living[seen.size] = static_cast<int32_t>(seen.groups * kGroupKeys + n);
      seen.size += m[n] > 0;
    }
    if (seen.size > before) list[seen.groups++] = list[i];
  }
  l.listed[row] = static_cast<int32_t>(seen.groups);
  l.living[row] = static_cast<int32_t>(seen.size);
}

/// The oldest living age that has a learned position; 0: none.
inline int64_t OldestNear(const StepShape& s, const StepLayer& l, int64_t row, int64_t step, const SeenRow& seen) {
  const int32_t* list = l.list + l.first_group[row];
  for (int64_t n = 0; n < seen.size; ++n) {
    const int64_t key = seen.living[n];
    const double age = l.age[list[key / kGroupKeys] * kGroupKeys + key % kGroupKeys] + static_cast<double>(step);
    if (age <= static_cast<double>(s.positions)) return static_cast<int64_t>(age);
  }
  return 0;
}

/// q . position keys of a tile's rows, for the ages that some row needs.
inline void PositionScores(const StepShape& s, int64_t rows, int64_t oldest, const StepWork& w) {
  if (oldest == 0) return;
  const int64_t padded = PadToLanes<float>(s.positions), from = (s.positions - oldest) / kGroupKeys * kGroupKeys;
  for (int64_t head = 0; head < s.heads; ++head)
    Product(rows, padded - from, s.head_dim, w.qkv + head * s.head_stride, w.qkv_row, 1, s.position_keys + from, padded,
            w.near + head * w.near_row + kGroupKeys + from, s.heads * w.near_row, false);
}

/// Adds the position term to a group's scores. near: of this head, column 0 behind the border of zeros.
inline Vec<float> AddPositions(const StepShape& s, const StepLayer& l, int64_t group, int64_t step, const float* near,
                               Vec<float> score) {
  const double *age = l.age + group * kGroupKeys, last = static_cast<double>(s.positions - step);
  if (age[kGroupKeys - 1] > last) return score;
  if (l.consecutive[group]) {
    const double column = last - age[0];
    return column > -kGroupKeys ? score + Load(near + static_cast<int64_t>(column)) : score;
  }
  float terms[kGroupKeys];
  for (int64_t n = 0; n < kGroupKeys; ++n) terms[n] = near[static_cast<int64_t>(age[n] > last ? -1 : last - age[n])];
  return score + Load(terms);
}

/// Scores of a row's keys by head. Memories of all rows are more than the near caches hold, and the processor fetches
/// ahead within one page only, which is about a group: so the group's values and the next group's keys are asked for.
inline void ScoreRow(const StepShape& s, const StepLayer& l, int64_t row, int64_t step, const float* q,
                     const float* near, const SeenRow& seen, const StepWork& w) {
  const int32_t* list = l.list + l.first_group[row];
  for (int64_t i = 0; i < seen.groups; ++i) {
    const int64_t size = s.width * kGroupKeys;
    const float *k = l.k + list[i] * size, *v = l.v + list[i] * size,
                *next = l.k + list[i + 1 < seen.groups ? i + 1 : i] * size;
    for (int64_t head = 0; head < s.heads; ++head) {
      const float *key = k + head * s.head_stride * kGroupKeys, *query = q + head * s.head_stride;
      Vec<float> even{}, odd{};
      int64_t d = 0;
      for (; d + 2 <= s.head_dim; d += 2) {
        const int64_t at = (head * s.head_stride + d) * kGroupKeys;
        __builtin_prefetch(v + at), __builtin_prefetch(v + at + kGroupKeys);
        __builtin_prefetch(next + at), __builtin_prefetch(next + at + kGroupKeys);
        even += query[d] * Load(key + d * kGroupKeys);
        odd += query[d + 1] * Load(key + (d + 1) * kGroupKeys);
      }
      if (d < s.head_dim) even += query[d] * Load(key + d * kGroupKeys);
      Vec<float> score = even + odd;
      if (s.positions > 0) score = AddPositions(s, l, list[i], step, near + head * w.near_row + kGroupKeys, score);
      Store(w.scores + head * w.lanes + i * kGroupKeys, score);
    }
  }
}

/// Weighted sums of the living values, Vecs vectors of them from `first` on.
template <int Vecs>
inline void SumValues(const StepShape& s, const StepLayer& l, int64_t row, int64_t first, const SeenRow& seen,
                      const StepWork& w, float* out) {
  const int32_t* list = l.list + l.first_group[row];
  const float* p[Vecs];
  float scale[Vecs];
  for (int v = 0; v < Vecs; ++v) {
    const int64_t head = (first + v * kGroupKeys) / s.head_stride;
    p[v] = w.scores + head * w.lanes, scale[v] = w.inverse[head];
  }
  Vec<float> sum[Vecs] = {};
  for (int64_t n = 0; n < seen.size; ++n) {
    const int64_t key = seen.living[n];
    const float* value = l.v + (list[key / kGroupKeys] * kGroupKeys + key % kGroupKeys) * s.width + first;
#pragma GCC unroll 4
    for (int v = 0; v < Vecs; ++v) sum[v] += p[v][key] * Load(value + v * kGroupKeys);
  }
  for (int v = 0; v < Vecs; ++v) Store(out + first + v * kGroupKeys, sum[v] * scale[v]);
}

/// Attention of one row; 0 where nothing is seen.
inline void AttendRow(const StepShape& s, const StepLayer& l, int64_t row, int64_t step, int64_t tile_row,
                      float* weights, const StepWork& w) {
  const SeenRow& seen = w.seen[tile_row];
  float* out = w.attended + tile_row * s.width;
  ScoreRow(s, l, row, step, w.qkv + tile_row * w.qkv_row, w.near + tile_row * s.heads * w.near_row, seen, w);
  for (int64_t head = 0; head < s.heads; ++head) {
    float top, sum, plain;
    StepSoftmax(seen.groups * kGroupKeys, seen.m, w.scores + head * w.lanes, &top, &sum, &plain);
    w.inverse[head] = sum > 0 ? 1 / sum : 0;
  }
  int64_t first = 0;
  for (; first + 4 * kGroupKeys <= s.width; first += 4 * kGroupKeys) SumValues<4>(s, l, row, first, seen, w, out);
  for (; first < s.width; first += kGroupKeys) SumValues<1>(s, l, row, first, seen, w, out);
  if (weights == nullptr) return;
  const int64_t own = l.first_group[row + 1] - l.first_group[row];
  for (int64_t head = 0; head < s.heads; ++head)
    for (int64_t n = 0; n < seen.size; ++n) {
      const int64_t key = seen.living[n], group = l.list[l.first_group[row] + key / kGroupKeys] - l.first_group[row];
      weights[(head * own + group) * kGroupKeys + key % kGroupKeys] = w.scores[head * w.lanes + key] * w.inverse[head];
    }
}

/// The step itself becomes a key of later ones, if it lives to be seen.
inline void Remember(const StepShape& s, const StepLayer& l, int64_t row, int64_t step, double span, const float* k,
                     const float* v) {
  if (!(SpanMask(span - 1, s.ramp) > 0)) return;
  const int64_t group = l.block_group[row] + step / kGroupKeys, lane = step % kGroupKeys;
  int32_t *list = l.list + l.first_group[row], &listed = l.listed[row];
  float *to_k = l.k + group * s.width * kGroupKeys, *to_v = l.v + group * kGroupKeys * s.width;
  if (listed == 0 || list[listed - 1] != group) {
    list[listed++] = static_cast<int32_t>(group);
    for (int64_t n = 0; n < kGroupKeys; ++n) {
      l.span[group * kGroupKeys + n] = -__builtin_huge_val();
      l.age[group * kGroupKeys + n] = -static_cast<double>(step - lane + n);
    }
    l.consecutive[group] = 1;
  }
  l.span[group * kGroupKeys + lane] = span;
  for (int64_t i = 0; i < s.width; ++i) to_k[i * kGroupKeys + lane] = k[i];
  for (int64_t i = 0; i < s.width; i += kGroupKeys) Store(to_v + lane * s.width + i, Load(v + i));
}

/// The layer's attention for rows [first, first + rows): x to `attended`, and into memory.
inline StepResult AttendTile(const StepShape& s, const StepLayer& l, int64_t first, int64_t rows, const StepCall& c,
                             float* weights, StepWork& w) {
  const float* g = w.x;
  if (s.pre_norm) NormRows(rows, w.x, w.x_row, l.norm1, l.norm1_bias, s.dim, w.g, w.x_row), g = w.g;
  MultiplyPanels(rows, w.qkv_row, s.dim, g, w.x_row, l.qkv, w.qkv, w.qkv_row, false);
  int64_t oldest = 0;
  bool span_is_number = true;
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t row = first + i;
    float* qkv = w.qkv + i * w.qkv_row;
    if (s.cos != nullptr) RotateRow(s, c.step, qkv), RotateRow(s, c.step, qkv + s.width);
    for (int64_t d = 0; d < s.dim; ++d) l.hidden[(row * s.steps + c.step) * s.dim + d] = w.x[i * w.x_row + d];
    const double span = SpanOf(*l.span_rule, g + i * w.x_row);
    l.spans[row * s.steps + c.step] = span;
    span_is_number = span_is_number && span == span;
    Look(s, l, row, c.step, w.seen[i]);
    if (s.positions > 0) oldest = MaxOf(oldest, OldestNear(s, l, row, c.step, w.seen[i]));
  }
  PositionScores(s, rows, oldest, w);
  Vec<float> zeros{};
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t row = first + i;
    const float* qkv = w.qkv + i * w.qkv_row;
    AttendRow(s, l, row, c.step, i, weights == nullptr ? nullptr : weights + l.first_group[row] * kGroupKeys * s.heads,
              w);
    for (int64_t d = 0; d < s.width; d += kGroupKeys) zeros += Load(w.attended + i * s.width + d) * 0.0f;
    Remember(s, l, row, c.step, l.spans[row * s.steps + c.step], qkv + s.width, qkv + 2 * s.width);
  }
  if (!span_is_number) return StepResult::kSpanIsNaN;
  return Sum<float>(zeros) == 0 ? StepResult::kFine : StepResult::kNotFinite;
}

/// The layer's rest: x becomes the layer's output.
inline void FeedTile(const StepShape& s, const StepLayer& l, int64_t rows, StepWork& w) {
  MultiplyPanels(rows, w.x_row, s.width, w.attended, s.width, l.out, w.x, w.x_row, true);
  float* z = s.pre_norm ? w.g : w.x;
  if (s.pre_norm)
    NormRows(rows, w.x, w.x_row, l.norm2, l.norm2_bias, s.dim, z, w.x_row);
  else
    NormRows(rows, w.x, w.x_row, l.norm1, l.norm1_bias, s.dim, z, w.x_row);
  for (int64_t j = 0; j < w.hidden_row; j += kPanelColumns) {
    MultiplyPanels(rows, kPanelColumns, s.dim, z, w.x_row, l.ff1 + j * s.dim, w.hidden + j, w.hidden_row, false);
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t n = j; n < j + kPanelColumns; n += kLanes<float>) {
        const Vec<float> unit = Load(w.hidden + i * w.hidden_row + n) + Load(l.ff1_bias + n);
        Store(w.hidden + i * w.hidden_row + n, unit > 0.0f ? unit : Vec<float>{});
      }
  }
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t d = 0; d < w.x_row; d += kLanes<float>)
      Store(w.x + i * w.x_row + d, Load(w.x + i * w.x_row + d) + Load(l.ff2_bias + d));
  MultiplyPanels(rows, w.x_row, s.ffn, w.hidden, w.hidden_row, l.ff2, w.x, w.x_row, true);
  if (!s.pre_norm) NormRows(rows, w.x, w.x_row, l.norm2, l.norm2_bias, s.dim, w.x, w.x_row);
}

inline StepResult RunStep(const StepShape& s, const StepLayer* layers, const StepCall& c, void* scratch) {
  StepWork w;
  CarveStepWork(s, scratch, w);
  for (int64_t i = 0; i < (s.positions > 0 ? kStepRows * s.heads : 0); ++i) {
    Store(w.near + i * w.near_row, Vec<float>{});
    Store(w.near + (i + 1) * w.near_row - kGroupKeys, Vec<float>{});
  }
  StepResult result = StepResult::kFine;
  for (int64_t first = 0; first < s.rows; first += kStepRows) {
    const int64_t rows = Min(kStepRows, s.rows - first);
    for (int64_t i = 0; i < rows; ++i) ReadRow(c.x + (first + i) * c.x_row, s.dim, w.x_row, w.x + i * w.x_row);
    for (int64_t n = 0; n < s.layers; ++n) {
      const StepResult attended =
          AttendTile(s, layers[n], first, rows, c, c.weights == nullptr ? nullptr : c.weights[n], w);
      if (result == StepResult::kFine) result = attended;
      FeedTile(s, layers[n], rows, w);
    }
    if (s.out_norm != nullptr) NormRows(rows, w.x, w.x_row, s.out_norm, s.out_norm_bias, s.dim, w.x, w.x_row);
    for (int64_t i = 0; i < rows; ++i) WriteRow(w.x + i * w.x_row, s.dim, c.y + (first + i) * s.dim);
  }
  return result;
}

inline int64_t StepScratchBytes(const StepShape& s) {
  StepWork w;
  return CarveStepWork(s, nullptr, w);
}

constexpr StepKernel kStepKernel = {RunStep, StepScratchBytes};

}  // namespace lethe::memory::LETHE_ISA
