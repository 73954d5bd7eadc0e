#pragma once

// Expire-attention for one machine: expire_attention.h says what is computed, expire_attention_tile.h how it is cut.
//
//  per row:            plan = the keys that some query sees, each with the interval of queries that see it
//  per head and tile:  scores = K Q^T + positions, p = m exp(scores - max), out^T += V^T p, rescaled when max grows
//  backward:           the same scores again, then dV, dK, dQ^T from p and dp, a tile at a time
//
// Nothing is ever as large as queries times keys.

#include "memory/kernels/expire_attention_step.h"
#include "memory/kernels/expire_attention_tile.h"

namespace lethe::memory::LETHE_ISA {

template <class T>
inline constexpr T kLowest = static_cast<T>(-__builtin_huge_val());

/// What every row and head of a call shares: positions as rows, in the type that computes.
template <class S, int V>
inline void LoadPositions(const ExpireAttentionArgs<S>& a, Work<ComputeType<S>, V>& w) {
  for (int64_t i = 0; i < a.positions; ++i)
    for (int64_t d = 0; d < w.dims; ++d)
      w.position_rows[i * w.dims + d] = d < a.head_dim ? Real(a.position_keys[d * a.positions + i]) : ComputeType<S>(0);
  if constexpr (kHasPairs<S>) {
    const auto at = [&a](int64_t i, int64_t d) {
      return i < a.positions && d < a.head_dim ? a.position_keys[d * a.positions + i] : BFloat16{0};
    };
    for (int64_t i = 0; i < a.positions + kTileRows; ++i)
      for (int64_t d = 0; d < PairsOf(w); ++d)
        w.position_pairs[i * PairsOf(w) + d] = MakePair(at(i, 2 * d), at(i, 2 * d + 1));
  }
}

template <class S, int V>
inline void LoadQueries(const ExpireAttentionArgs<S>& a, int64_t row, int64_t head, Work<ComputeType<S>, V>& w) {
  const S* q = a.q + row * a.q_row_stride + head * a.head_dim;
  LoadRows(q, a.q_stride, a.queries, a.head_dim, Scale(a), w, w.q_rows);
  if constexpr (kHasPairs<S>)
    LoadPairPanels(q, a.q_stride, a.queries, a.head_dim, w, w.q_pairs);
  else
    PanelsOfRows(w.q_rows, w, w.q_panels);
  PositionScores(a, w);
}

/// The largest seen score of every query of a panel so far; rescales what was summed with the old one.
template <class T, int V>
inline void RaiseTop(const Tile& tile, int64_t panel, Work<T, V>& w) {
  constexpr int64_t lanes = kLanes<T>;
  T* top = w.top + panel * kPanel<T, V>;
  const MaskRows<T> masks = MasksOf(tile, panel, w);
  for (int64_t v = 0; v < V; ++v) {
    const Vec<T> before = Load(top + v * lanes);
    Vec<T> now = before;
    for (int64_t g = 0; g < tile.groups; ++g) {
      if (!tile.group[g].SeenBy(panel)) continue;
      const bool full = tile.group[g].FullFor(panel);
      for (int64_t i = g * kGroup; i < (g + 1) * kGroup; ++i) {
        Vec<T> s = Load(w.scores + i * kPanel<T, V> + v * lanes);
        if (!full) s = Load(masks[i] + v * lanes) > T(0) ? s : Broadcast(kLowest<T>);
        now = s > now ? s : now;
      }
    }
    Store(top + v * lanes, now);
    if (Max<T>(now > before ? Broadcast(T(1)) : Vec<T>{}) == 0) continue;
    const Vec<T> factor = Exp(before - (now == kLowest<T> ? Vec<T>{} : now));
    T* out = w.out_panels + panel * w.dims * kPanel<T, V> + v * lanes;
    for (int64_t d = 0; d < w.dims; ++d) Store(out + d * kPanel<T, V>, Load(out + d * kPanel<T, V>) * factor);
    T *sum = w.sum + panel * kPanel<T, V> + v * lanes, *plain = w.plain + panel * kPanel<T, V> + v * lanes;
    Store(sum, Load(sum) * factor), Store(plain, Load(plain) * factor);
  }
}

/// exp(score - max) where m > 0, else 0; m is 1 in full groups.
template <class T>
inline Vec<T> Weight(Vec<T> score, Vec<T> top, bool full, const T* mask, Vec<T>* m) {
  const Vec<T> e = Exp(score - top);
  if (full) {
    *m = Broadcast(T(1));
    return e;
  }
  *m = Load(mask);
  return *m > T(0) ? e : Vec<T>{};
}

/// Finite tops: those of queries that see nothing are set to 0.
template <class T>
inline Vec<T> LoadTop(const T* top) {
  const Vec<T> x = Load(top);
  return x == kLowest<T> ? Vec<T>{} : x;
}

/// Scores of a tile and a panel become weights, in place; their sums grow.
template <class T, int V>
inline void Weigh(const Tile& tile, int64_t panel, bool drops, Work<T, V>& w) {
  constexpr int64_t lanes = kLanes<T>;
  const MaskRows<T> masks = MasksOf(tile, panel, w);
  for (int64_t v = 0; v < V; ++v) {
    T *sum_at = w.sum + panel * kPanel<T, V> + v * lanes, *plain_at = w.plain + panel * kPanel<T, V> + v * lanes;
    const Vec<T> top = LoadTop(w.top + panel * kPanel<T, V> + v * lanes);
    Vec<T> sum = Load(sum_at), plain = Load(plain_at), m;
    for (int64_t g = 0; g < tile.groups; ++g) {
      if (!tile.group[g].SeenBy(panel)) continue;
      const bool full = tile.group[g].FullFor(panel);
      for (int64_t i = g * kGroup; i < (g + 1) * kGroup; ++i) {
        const int64_t at = i * kPanel<T, V> + v * lanes;
        const Vec<T> e = Weight(Load(w.scores + at), top, full, masks[i] + v * lanes, &m);
        const Vec<T> p = full ? e : m * e;
        sum += p;
        plain += e;
        Store(w.scores + at, drops ? p * Load(w.keep + at) : p);
      }
    }
    Store(sum_at, sum), Store(plain_at, plain);
  }
}

/// Masks, and what dropout keeps, of the groups that a panel sees.
template <class S, int V>
inline void FillMasks(const ExpireAttentionArgs<S>& a, int64_t row, int64_t head, const Tile& tile, int64_t panel,
                      Work<ComputeType<S>, V>& w) {
  using T = ComputeType<S>;
  const bool drops = a.dropout_seed != 0 && a.dropout > 0, is_new = !w.keeps_masks || head == 0;
  const MaskRows<T> masks = MasksOf(tile, panel, w);
  for (int64_t g = 0; g < tile.groups; ++g) {
    if (!tile.group[g].SeenBy(panel)) continue;
    const int64_t key = tile.first_key + g * kGroup, at = g * kGroup * kPanel<T, V>;
    if (is_new && !tile.group[g].FullFor(panel)) FillMask<V>(a, w.plan.keys + key, panel, g, masks);
    if (drops) FillKeep<V>(a, row, head, key, panel, w.keep + at);
  }
}

template <class S, int V>
inline void ForwardTile(const ExpireAttentionArgs<S>& a, int64_t row, int64_t head, const Tile& tile,
                        Work<ComputeType<S>, V>& w) {
  using T = ComputeType<S>;
  LoadTile(a, row, head, tile, false, w);
  for (int64_t panel = 0; panel < w.panels; ++panel) {
    FillMasks(a, row, head, tile, panel, w);
    Scores(a, tile, panel, w, w.scores, kPanel<T, V>);
    RaiseTop(tile, panel, w);
    Weigh(tile, panel, a.dropout_seed != 0 && a.dropout > 0, w);
    ForRuns(tile, panel, [&](int64_t g, int64_t groups) {
      Product(a.head_dim, kPanel<T, V>, groups * kGroup, w.v + g * kGroup * w.dims, 1, w.dims,
              w.scores + g * kGroup * kPanel<T, V>, kPanel<T, V>, w.out_panels + panel * w.dims * kPanel<T, V>,
              kPanel<T, V>, true);
    });
  }
}

/// p of every query and key, for those who want to look: scores once more, now that their sums are known.
template <class S, int V>
inline void WriteWeights(const ExpireAttentionArgs<S>& a, int64_t row, int64_t head, Work<ComputeType<S>, V>& w) {
  using T = ComputeType<S>;
  const int64_t at = (row * a.heads + head) * a.queries;
  for (int64_t n = 0; n < w.plan.size; n += kTileKeys) {
    Tile tile;
    MakeTile<T, V>(w.plan, n, a.queries, w.panels, tile);
    LoadTile(a, row, head, tile, false, w);
    for (int64_t panel = 0; panel < w.panels; ++panel) {
      FillMasks(a, row, head, tile, panel, w);
      Scores(a, tile, panel, w, w.scores, kPanel<T, V>);
      Weigh(tile, panel, false, w);
      for (int64_t i = 0; i < tile.groups * kGroup; ++i) {
        const Key& key = w.plan.keys[n + i];
        const int64_t column =
            key.index >= 0 ? key.index - a.bank_begin[row] : a.weights_stride - a.block_keys - 1 - key.index;
        for (int64_t t = MaxOf(key.from, panel * kPanel<T, V>); t < Min(key.to, (panel + 1) * kPanel<T, V>); ++t)
          Set(a.weights[(at + t) * a.weights_stride + column],
              w.scores[i * kPanel<T, V> + t % kPanel<T, V>] / a.normaliser[at + t]);
      }
    }
  }
}

/// One head of rows [rows, queries, heads, head_dim]: the panels' columns times scale(query). Queries are read no more:
/// their rows are where columns become rows.
template <class S, int V, class F>
inline void StoreRows(const ExpireAttentionArgs<S>& a, int64_t row, int64_t head, const ComputeType<S>* panels, F scale,
                      Work<ComputeType<S>, V>& w, S* to) {
  using T = ComputeType<S>;
  RowsOfPanels(panels, w, w.q_rows);
  for (int64_t t = 0; t < a.queries; ++t) {
    T* from = w.q_rows + t * w.dims;
    for (int64_t d = 0; d < w.dims; d += kLanes<T>) Store(from + d, Load(from + d) * scale(t));
    WriteRow(from, a.head_dim, to + ((row * a.queries + t) * a.heads + head) * a.head_dim);
  }
}

template <class S, int V>
inline void ForwardHead(const ExpireAttentionArgs<S>& a, int64_t row, int64_t head, Work<ComputeType<S>, V>& w) {
  using T = ComputeType<S>;
  LoadQueries(a, row, head, w);
  Zero(w.out_panels, w.panels * w.dims * kPanel<T, V>);
  for (int64_t i = 0; i < w.panels * kPanel<T, V>; ++i) w.top[i] = kLowest<T>, w.sum[i] = 0, w.plain[i] = 0;
  for (int64_t n = 0; n < w.plan.size; n += kTileKeys) {
    Tile tile;
    MakeTile<T, V>(w.plan, n, a.queries, w.panels, tile);
    ForwardTile(a, row, head, tile, w);
  }
  const int64_t at = (row * a.heads + head) * a.queries;
  for (int64_t t = 0; t < a.queries; ++t) {
    a.max_score[at + t] = w.top[t] == kLowest<T> ? T(0) : w.top[t];
    a.normaliser[at + t] = w.sum[t] + static_cast<T>(a.epsilon) * w.plain[t];
    w.sum[t] = a.normaliser[at + t] > T(0) ? 1 / a.normaliser[at + t] : T(0);
  }
  StoreRows(
      a, row, head, w.out_panels, [&w](int64_t t) { return w.sum[t]; }, w, a.out);
  if (a.weights != nullptr) WriteWeights(a, row, head, w);
}

/// Longest bank of rows [first, end), with the block.
template <class S>
inline int64_t LongestRow(const ExpireAttentionArgs<S>& a, int64_t first, int64_t end) {
  int64_t longest = 0;
  for (int64_t b = first; b < end; ++b) longest = MaxOf(longest, a.bank_count[b]);
  return longest + a.block_keys;
}

template <class S, int V>
inline void ForwardRows(const ExpireAttentionArgs<S>& a, int64_t first, int64_t end, void* scratch) {
  Work<ComputeType<S>, V> w;
  Carve(a, LongestRow(a, first, end), false, scratch, w);
  LoadPositions(a, w);
  for (int64_t row = first; row < end; ++row) {
    MakePlan(a, row, w.plan);
    PadPlan(w.plan);
    CountRow(a, row, w.plan);
    for (int64_t head = 0; head < a.heads; ++head) ForwardHead(a, row, head, w);
  }
}

/// Scores and dL/dp of a group become p and dL/ds, in place. With e = exp(s - max) / normaliser and g = dL/dp:
/// dL/ds = p (g - delta) - epsilon e delta,  dL/dm = e (g - delta),  delta = sum of p g = out . dL/dout.
/// Returns in `ramp`, per key, the sum of dL/dm over the queries on its ramp.
template <class S, int V>
inline void BackwardGroup(const ExpireAttentionArgs<S>& a, const Tile& tile, int64_t g, int64_t panel,
                          Work<ComputeType<S>, V>& w, double* ramp) {
  using T = ComputeType<S>;
  constexpr int64_t lanes = kLanes<T>;
  const bool full = tile.group[g].FullFor(panel), drops = a.dropout_seed != 0 && a.dropout > 0;
  const T epsilon = static_cast<T>(a.epsilon);
  const MaskRows<T> masks = MasksOf(tile, panel, w);
  const int64_t t0 = panel * kPanel<T, V>;
  for (int64_t i = g * kGroup; i < (g + 1) * kGroup; ++i) {
    const Key& key = w.plan.keys[tile.first_key + i];
    const bool fades = !full && key.fade < t0 + kPanel<T, V> && key.gone > t0;
    for (int64_t v = 0; v < V; ++v) {
      const int64_t t = t0 + v * lanes, at = i * w.line + t, keep_at = i * kPanel<T, V> + v * lanes;
      Vec<T> m;
      const Vec<T> e = Weight(Load(w.scores + at), Load(w.top + t), full, masks[i] + v * lanes, &m) * Load(w.sum + t);
      const Vec<T> p = full ? e : m * e, delta = Load(w.delta + t);
      Vec<T> grad = Load(w.grad_scores + at), kept = p;
      if (drops) grad *= Load(w.keep + keep_at), kept *= Load(w.keep + keep_at);
      const Vec<T> difference = grad - delta;
      Store(w.scores + at, kept);
      Store(w.grad_scores + at, epsilon == 0 ? p * difference : p * difference - epsilon * e * delta);
      if (!fades) continue;
      const int64_t from = MaxOf(0, key.fade - t), to = MaxOf(0, Min(lanes, key.gone - t));
      ramp[i] += DoubleSum<T>(e * difference, from, to);
    }
  }
}

/// What a tile's scores give to the near positions.
template <class T, int V>
inline void StoreNear(const Tile& tile, int64_t g, int64_t panel, int64_t positions, Work<T, V>& w) {
  for (int64_t i = g * kGroup; i < (g + 1) * kGroup; ++i) {
    T* to = NearRow<V>(w.plan.keys[tile.first_key + i], panel, positions, w.grad_near);
    const T* from = w.grad_scores + i * w.line + panel * kPanel<T, V>;
    for (int64_t l = 0; to != nullptr && l < kPanel<T, V>; l += kLanes<T>) Store(to + l, Load(from + l));
  }
}

template <class S, int V>
inline void BackwardPanel(const ExpireAttentionArgs<S>& a, int64_t row, int64_t head, const Tile& tile, int64_t panel,
                          Work<ComputeType<S>, V>& w, double* ramp) {
  using T = ComputeType<S>;
  const int64_t t0 = panel * kPanel<T, V>;
  FillMasks(a, row, head, tile, panel, w);
  Scores(a, tile, panel, w, w.scores + t0, w.line);
  for (int64_t g = 0; g < tile.groups; ++g) {
    if (!tile.group[g].SeenBy(panel)) continue;
    T* grad_scores = w.grad_scores + g * kGroup * w.line + t0;
    if constexpr (kHasPairs<S>)
      PairProduct<V>(kGroup, PairsOf(w), w.v_pairs + g * kGroup * PairsOf(w), PairsOf(w),
                     w.grad_out_pairs + panel * PairsOf(w) * kPanel<T, V>, kPanel<T, V>, T(1), grad_scores, w.line,
                     false);
    else
      Product(kGroup, kPanel<T, V>, a.head_dim, w.v + g * kGroup * w.dims, w.dims, 1,
              w.grad_out_panels + panel * w.dims * kPanel<T, V>, kPanel<T, V>, grad_scores, w.line, false);
    BackwardGroup(a, tile, g, panel, w, ramp);
    if (a.positions > 0) StoreNear(tile, g, panel, a.positions, w);
  }
  ForRuns(tile, panel, [&](int64_t g, int64_t groups) {
    Product(a.head_dim, kPanel<T, V>, groups * kGroup, w.k + g * kGroup * w.dims, 1, w.dims,
            w.grad_scores + g * kGroup * w.line + t0, w.line, w.grad_q_panels + panel * w.dims * kPanel<T, V>,
            kPanel<T, V>, true);
  });
}

/// Writes a tile's gradients of keys, values and spans to where they belong.
template <class S, int V>
inline void StoreTile(const ExpireAttentionArgs<S>& a, int64_t row, int64_t head, const Tile& tile,
                      const Work<ComputeType<S>, V>& w, const double* ramp) {
  const int64_t offset = head * a.head_dim, stride = a.heads * a.head_dim;
  for (int64_t i = 0; i < tile.groups * kGroup && tile.first_key + i < w.plan.size; ++i) {
    const Key& key = w.plan.keys[tile.first_key + i];
    const int64_t step = row * a.block_keys - 1 - key.index;
    const bool is_banked = key.index >= 0;
    WriteRow(w.grad_k + i * w.dims, a.head_dim,
             (is_banked ? a.grad_bank_k + key.index * stride : a.grad_k + step * stride) + offset);
    WriteRow(w.grad_v + i * w.dims, a.head_dim,
             (is_banked ? a.grad_bank_v + key.index * stride : a.grad_v + step * stride) + offset);
    if (key.shortened) continue;
    double& grad_span = is_banked ? a.grad_bank_span[key.index] : a.grad_span[step];
    grad_span += ramp[i] / a.ramp;
    if (head == 0) grad_span += static_cast<double>(key.gone - key.fade) * a.grad_ramp_sum[row];
  }
}

template <class S, int V>
inline void BackwardTile(const ExpireAttentionArgs<S>& a, int64_t row, int64_t head, const Tile& tile,
                         Work<ComputeType<S>, V>& w) {
  using T = ComputeType<S>;
  double ramp[kTileKeys] = {};
  LoadTile(a, row, head, tile, true, w);
  for (int64_t panel = 0; panel < w.asked; ++panel) BackwardPanel(a, row, head, tile, panel, w, ramp);
  for (int64_t g = 0; g < tile.groups; ++g) {
    const int64_t from = tile.group[g].first * kPanel<T, V>, queries = tile.group[g].end * kPanel<T, V> - from,
                  at = g * kGroup * w.line + from;
    Product(kGroup, w.dims, queries, w.grad_scores + at, w.line, 1, w.q_rows + from * w.dims, w.dims,
            w.grad_k + g * kGroup * w.dims, w.dims, false);
    Product(kGroup, w.dims, queries, w.scores + at, w.line, 1, w.grad_out_rows + from * w.dims, w.dims,
            w.grad_v + g * kGroup * w.dims, w.dims, false);
  }
  StoreTile(a, row, head, tile, w, ramp);
}

template <class S, int V>
inline void BackwardPositions(const ExpireAttentionArgs<S>& a, Work<ComputeType<S>, V>& w) {
  using T = ComputeType<S>;
  const int64_t places = a.positions + kPanel<T, V>;
  for (int64_t panel = 0; panel < w.asked; ++panel) {
    T* grad = w.grad_near + panel * places * kPanel<T, V>;
    SkewRows<kPanel<T, V>>(places, places, grad + (places - 1) * kPanel<T, V>, -kPanel<T, V>);  // the way back: up
    Product(a.head_dim, kPanel<T, V>, a.positions, w.position_rows, 1, w.dims, grad, kPanel<T, V>,
            w.grad_q_panels + panel * w.dims * kPanel<T, V>, kPanel<T, V>, true);
    Product(a.positions, w.dims, kPanel<T, V>, grad, kPanel<T, V>, 1, w.q_rows + panel * kPanel<T, V> * w.dims, w.dims,
            w.grad_position_rows, w.dims, true);
  }
}

/// Output, its gradient, and what the forward pass left of every query's softmax. Uses the room of q_rows and
/// grad_q_panels. delta sums in the order of dL/dp (but for pairs), so that a query which sees one key has no gradient
/// for its mask.
template <class S, int V>
inline void LoadOutput(const ExpireAttentionArgs<S>& a, int64_t row, int64_t head, Work<ComputeType<S>, V>& w) {
  using T = ComputeType<S>;
  const int64_t stride = a.heads * a.head_dim, offset = (row * a.queries * a.heads + head) * a.head_dim,
                at = (row * a.heads + head) * a.queries;
  LoadRows(a.out + offset, stride, a.queries, a.head_dim, T(1), w, w.q_rows);
  PanelsOfRows(w.q_rows, w, w.grad_q_panels);
  LoadRows(a.grad_out + offset, stride, a.queries, a.head_dim, T(1), w, w.grad_out_rows);
  PanelsOfRows(w.grad_out_rows, w, w.grad_out_panels);
  if constexpr (kHasPairs<S>) LoadPairPanels(a.grad_out + offset, stride, a.queries, a.head_dim, w, w.grad_out_pairs);
  ReadRow(a.max_score + at, a.queries, w.panels * kPanel<T, V>, w.top);
  ReadRow(a.normaliser + at, a.queries, w.panels * kPanel<T, V>, w.sum);
  for (int64_t t = 0; t < w.panels * kPanel<T, V>; t += kLanes<T>) {
    const int64_t first = t / kPanel<T, V> * kPanel<T, V> * w.dims + t % kPanel<T, V>;
    Vec<T> delta{};
    for (int64_t d = 0; d < a.head_dim; ++d)
      delta += Load(w.grad_out_panels + first + d * kPanel<T, V>) * Load(w.grad_q_panels + first + d * kPanel<T, V>);
    Store(w.delta + t, delta);
    const Vec<T> sum = Load(w.sum + t);
    Store(w.sum + t, sum > T(0) ? T(1) / sum : Vec<T>{});
  }
}

/// Panels of a row up to its last query with a gradient: those behind add nothing. A step that only looks ahead, as the
/// last of an agent's unroll does, often has a panel of its own.
template <class S, int V>
inline int64_t PanelsWithGradient(const ExpireAttentionArgs<S>& a, int64_t row) {
  const int64_t width = a.heads * a.head_dim;
  const S* grad = a.grad_out + row * a.queries * width;
  int64_t n = a.queries * width;
  while (n > 0 && Real(grad[n - 1]) == 0) --n;
  const int64_t panel = kPanel<ComputeType<S>, V> * width;
  return (n + panel - 1) / panel;
}

template <class S, int V>
inline void BackwardHead(const ExpireAttentionArgs<S>& a, int64_t row, int64_t head, Work<ComputeType<S>, V>& w) {
  using T = ComputeType<S>;
  LoadOutput(a, row, head, w);
  LoadQueries(a, row, head, w);
  Zero(w.grad_q_panels, w.panels * w.dims * kPanel<T, V>);
  if (a.positions > 0) Zero(w.grad_near, w.asked * (a.positions + kPanel<T, V>)*kPanel<T, V>);
  for (int64_t n = 0; n < w.plan.size; n += kTileKeys) {
    Tile tile;
    MakeTile<T, V>(w.plan, n, a.queries, w.asked, tile);
    BackwardTile(a, row, head, tile, w);
  }
  if (a.positions > 0) BackwardPositions(a, w);
  StoreRows(
      a, row, head, w.grad_q_panels, [&a](int64_t) { return Scale(a); }, w, a.grad_q);
}

template <class S, int V>
inline void BackwardRows(const ExpireAttentionArgs<S>& a, int64_t first, int64_t end, void* scratch,
                         ComputeType<S>* grad_position_keys) {
  Work<ComputeType<S>, V> w;
  Carve(a, LongestRow(a, first, end), true, scratch, w);
  LoadPositions(a, w);
  Zero(w.grad_position_rows, a.positions * w.dims);
  for (int64_t row = first; row < end; ++row) {
    MakePlan(a, row, w.plan);
    PadPlan(w.plan);
    w.asked = PanelsWithGradient<S, V>(a, row);
    for (int64_t head = 0; head < a.heads; ++head) BackwardHead(a, row, head, w);
  }
  for (int64_t d = 0; d < a.head_dim; ++d)
    for (int64_t i = 0; i < a.positions; ++i)
      grad_position_keys[d * a.positions + i] += w.grad_position_rows[i * w.dims + d];
}

/// Unrolls of an agent are this short, blocks of text are not; in between it does not matter much.
inline constexpr int64_t kFewQueries = 72;
template <class S>
inline bool HasFewQueries(const ExpireAttentionArgs<S>& a) {
  return a.queries <= kFewQueries;
}

template <class S>
void Forward(const ExpireAttentionArgs<S>& a, int64_t first, int64_t end, void* scratch) {
  if (IsStep(a)) return ForwardStep(a, first, end, LongestRow(a, first, end), scratch);
  if (HasFewQueries(a)) return ForwardRows<S, 1>(a, first, end, scratch);
  ForwardRows<S, 2>(a, first, end, scratch);
}

template <class S>
void Backward(const ExpireAttentionArgs<S>& a, int64_t first, int64_t end, void* scratch,
              ComputeType<S>* grad_position_keys) {
  if (HasFewQueries(a)) return BackwardRows<S, 1>(a, first, end, scratch, grad_position_keys);
  BackwardRows<S, 2>(a, first, end, scratch, grad_position_keys);
}

template <class S>
int64_t ScratchBytes(const ExpireAttentionArgs<S>& a, int64_t longest, bool is_backward) {
  if (IsStep(a) && !is_backward) {
    SeenKeys<S> seen;
    ComputeType<S>* position_rows;
    return CarveStep(longest, nullptr, a, seen, position_rows);
  }
  Work<ComputeType<S>, 1> narrow;
  Work<ComputeType<S>, 2> wide;
  return HasFewQueries(a) ? Carve(a, longest, is_backward, nullptr, narrow)
                          : Carve(a, longest, is_backward, nullptr, wide);
}

template <class S>
constexpr ExpireAttentionKernels<S> kKernels = {Forward<S>, Backward<S>, ScratchBytes<S>};

}  // namespace lethe::memory::LETHE_ISA
