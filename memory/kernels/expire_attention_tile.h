#pragma once

// Tiles of attention scores, transposed: a row is a key, lanes are queries. So masks, maxima and sums are plain vector
// arithmetic, and keys and values are read as they lie. Compiled once per machine: see simd.h.
//
//   panel = kPanel queries side by side: V vectors, 2 where queries are many, so that products load less, 1 where they
//           are few, so that less is computed that nobody sees
//       group = kGroup keys, the smallest unit that is computed or skipped
//   tile  = kTileKeys keys, whose keys and values lie copied and converted in scratch
//
// Where the processor multiplies pairs of bfloat16 (kHasPairs), products over head dimensions, that is scores and
// dL/dp, take numbers as they are stored: the same products, half the instructions.

#include "memory/kernels/expire_attention_plan.h"
#include "memory/kernels/lanes.h"
#include "memory/kernels/pair_product.h"

namespace lethe::memory::LETHE_ISA {

template <class T, int V>
inline constexpr int64_t kPanel = V* kLanes<T>;
inline constexpr int64_t kGroup = 8;
inline constexpr int64_t kTileKeys = 64;
inline constexpr int64_t kTileGroups = kTileKeys / kGroup;
static_assert(kGroup % kTileRows == 0 || kTileRows == 3, "products of pairs come in whole tiles");

inline int64_t Min(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t MaxOf(int64_t a, int64_t b) { return a > b ? a : b; }

/// Masks of a row are kept up to this number: beyond it, reading them costs more than computing them once more.
inline constexpr int64_t kMostKeptMasks = 32768;

template <class S>
inline ComputeType<S> Scale(const ExpireAttentionArgs<S>& a) {
  return static_cast<ComputeType<S>>(1 / __builtin_sqrt(static_cast<double>(a.head_dim)));
}

/// Arrays of one thread. Matrices are padded with zeros to whole panels of queries and whole vectors of head
/// dimensions.
template <class T, int V>
struct Work {
  Plan plan;
  int64_t dims, panels, line;  // padded head_dim, panels, stride of a tile's rows of scores
  int64_t asked;               // panels from the first on that backward has to look at
  T *k, *v, *grad_k, *grad_v;  // [kTileKeys, dims]
  T *q_panels, *out_panels, *grad_out_panels, *grad_q_panels;  // [panels, dims, kPanel]
  T *q_rows, *grad_out_rows;                                   // [panels * kPanel, dims]
  T *scores, *grad_scores;                                     // [kTileKeys, line]
  bool keeps_masks;                                            // of all tiles of a row: heads share them
  T* mask;  // [keys, panels, kPanel] of the row if they are kept, else [kTileKeys, kPanel] of a tile and panel
  T* keep;  // [kTileKeys, kPanel]
  T *top, *sum, *plain, *delta;           // [panels * kPanel]
  T *position_rows, *grad_position_rows;  // [positions, dims]
  T *near, *grad_near;                    // [panels, positions + kPanel, kPanel]

  // If kHasPairs: two head dimensions each.
  Pair *k_pairs, *v_pairs;         // [kTileKeys, dims / 2]
  Pair *q_pairs, *grad_out_pairs;  // [panels, dims / 2, kPanel]
  Pair* position_pairs;            // [positions + kTileRows, dims / 2], the rest zeros
};

template <class T, int V>
inline int64_t PairsOf(const Work<T, V>& w) {
  return w.dims / 2;
}

template <class S, int V>
inline int64_t Carve(const ExpireAttentionArgs<S>& a, int64_t longest, bool is_backward, void* scratch,
                     Work<ComputeType<S>, V>& w) {
  using T = ComputeType<S>;
  Arena arena{static_cast<char*>(scratch)};
  w.dims = PadToLanes<T>(a.head_dim);
  w.panels = (a.queries + kPanel<T, V> - 1) / kPanel<T, V>;
  w.line = (w.panels * V | 1) * kLanes<T>;  // an odd number of cache lines: rows do not share cache sets
  const int64_t queries = w.panels * kPanel<T, V>, near = w.panels * (a.positions + kPanel<T, V>)*kPanel<T, V>;
  const auto take = [&arena](int64_t n, auto&... arrays) { ((arrays = arena.Take<T>(n)), ...); };
  w.plan.keys = arena.Take<Key>(longest + kGroup);
  w.plan.episode_end = arena.Take<int64_t>(a.block_keys);
  take(kTileKeys * w.dims, w.k, w.v);
  take(queries * w.dims, w.q_rows);
  if (!kHasPairs<S>) take(queries * w.dims, w.q_panels);
  take(kTileKeys * w.line, w.scores);
  const int64_t row_mask = (longest + kGroup) * queries;
  w.keeps_masks = row_mask <= kMostKeptMasks;
  take(MaxOf(kTileKeys * kPanel<T, V>, Min(row_mask, kMostKeptMasks)), w.mask);  // never less for a longer row
  take(kTileKeys * kPanel<T, V>, w.keep);
  take(queries, w.top, w.sum, w.plain);
  take(a.positions * w.dims, w.position_rows);
  take(near, w.near);
  const auto take_pairs = [&arena](int64_t n, auto&... arrays) { ((arrays = arena.Take<Pair>(n)), ...); };
  if constexpr (kHasPairs<S>) {
    take_pairs(kTileKeys * PairsOf(w), w.k_pairs);
    take_pairs(queries * PairsOf(w), w.q_pairs);
    if (is_backward) take_pairs(kTileKeys * PairsOf(w), w.v_pairs), take_pairs(queries * PairsOf(w), w.grad_out_pairs);
    take_pairs((a.positions + kTileRows) * PairsOf(w), w.position_pairs);
  }
  if (!is_backward) {
    take(queries * w.dims, w.out_panels);
    return arena.used;
  }
  take(queries, w.delta);
  take(kTileKeys * w.dims, w.grad_k, w.grad_v);
  take(queries * w.dims, w.grad_out_panels, w.grad_q_panels, w.grad_out_rows);
  take(kTileKeys * w.line, w.grad_scores);
  take(a.positions * w.dims, w.grad_position_rows);
  take(near, w.grad_near);
  return arena.used;
}

template <class T>
inline void Zero(T* x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) x[i] = 0;
}

/// Where a group of a tile is seen: panels [first, end). `full` panels see all of its keys with m = 1.
struct Group {
  int64_t first, end, full_first, full_end;
  bool SeenBy(int64_t panel) const { return panel >= first && panel < end; }
  bool FullFor(int64_t panel) const { return panel >= full_first && panel < full_end; }
};

struct Tile {
  int64_t first_key, groups;
  Group group[kTileGroups];
};

/// queries: of the call, so that a last panel which is not whole counts as full.
template <class T, int V>
inline Group MakeGroup(const Key* keys, int64_t queries) {
  int64_t from = queries, to = 0, all_from = 0, all_fade = queries;
  for (int64_t i = 0; i < kGroup; ++i) {
    from = Min(from, keys[i].from), to = MaxOf(to, keys[i].to);
    all_from = MaxOf(all_from, keys[i].from), all_fade = Min(all_fade, keys[i].fade);
  }
  const int64_t p = kPanel<T, V>;
  const int64_t full_end = all_fade == queries ? (queries + p - 1) / p : all_fade / p;
  return {from / p, (to + p - 1) / p, (all_from + p - 1) / p, full_end};
}

/// The tile that begins at this key; keys behind the last are seen by no query, and panels from `end` on see none.
template <class T, int V>
inline void MakeTile(const Plan& plan, int64_t first_key, int64_t queries, int64_t end, Tile& tile) {
  tile.first_key = first_key;
  tile.groups = Min(kTileGroups, (plan.size - first_key + kGroup - 1) / kGroup);
  for (int64_t g = 0; g < tile.groups; ++g) {
    Group& group = tile.group[g];
    group = MakeGroup<T, V>(plan.keys + first_key + g * kGroup, queries);
    group.first = Min(group.first, end), group.end = Min(group.end, end);
  }
}

inline void PadPlan(Plan& plan) {
  constexpr int64_t kNever = int64_t{1} << 40;
  for (int64_t i = 0; i < kGroup; ++i) plan.keys[plan.size + i] = Key{0, 0, 0, -1, kNever, 0, 0, 0, true};
}

/// Where the masks of a tile's keys for a panel stand, one behind the other at a distance.
template <class T>
struct MaskRows {
  T* first;
  int64_t stride;
  T* operator[](int64_t key) const { return first + key * stride; }
};

template <class T, int V>
inline MaskRows<T> MasksOf(const Tile& tile, int64_t panel, const Work<T, V>& w) {
  if (!w.keeps_masks) return {w.mask, kPanel<T, V>};
  return {w.mask + (tile.first_key * w.panels + panel) * kPanel<T, V>, w.panels * kPanel<T, V>};
}

/// Calls use(first group, groups) on runs of groups that this panel sees.
template <class F>
inline void ForRuns(const Tile& tile, int64_t panel, F use) {
  for (int64_t g = 0; g < tile.groups; ++g) {
    if (!tile.group[g].SeenBy(panel)) continue;
    const int64_t from = g;
    while (g + 1 < tile.groups && tile.group[g + 1].SeenBy(panel)) ++g;
    use(from, g + 1 - from);
  }
}

/// Copies one head of the tile's keys and values, and asks for those of the next row, which stand as far behind these
/// as this row has memories: with pairs, forward takes values as numbers, backward keys, and whatever meets head
/// dimensions is in pairs.
template <class S, int V>
inline void LoadTile(const ExpireAttentionArgs<S>& a, int64_t row, int64_t head, const Tile& tile, bool is_backward,
                     Work<ComputeType<S>, V>& w) {
  const int64_t offset = head * a.head_dim;
  for (int64_t i = 0; i < tile.groups * kGroup; ++i) {
    const int64_t n = tile.first_key + i, dims = n < w.plan.size ? a.head_dim : 0;
    const int64_t index = w.plan.keys[n].index, step = row * a.kv_row_stride - (index + 1) * a.kv_stride;
    const S* k = (index >= 0 ? a.bank_k + index * a.bank_stride : a.k + step) + offset;
    const S* v = (index >= 0 ? a.bank_v + index * a.bank_stride : a.v + step) + offset;
    const int64_t ahead = index >= 0 ? a.bank_count[row] * a.bank_stride : a.kv_row_stride;
    __builtin_prefetch(k + ahead, 0, 2), __builtin_prefetch(v + ahead, 0, 2);
    if (!kHasPairs<S> || is_backward) ReadRow(k, dims, w.dims, w.k + i * w.dims);
    if (!kHasPairs<S> || !is_backward) ReadRow(v, dims, w.dims, w.v + i * w.dims);
    if constexpr (kHasPairs<S>) {
      ReadPairs(k, dims, w.dims, w.k_pairs + i * PairsOf(w));
      if (is_backward) ReadPairs(v, dims, w.dims, w.v_pairs + i * PairsOf(w));
    }
  }
}

/// Rows [panels * kPanel, dims] of rows [queries, head_dim] with the given stride, times `scale`; zeros around them.
/// The next row's, which lie behind these, are asked for.
template <class S, class T, int V>
inline void LoadRows(const S* from, int64_t stride, int64_t queries, int64_t head_dim, T scale, const Work<T, V>& w,
                     T* rows) {
  for (int64_t t = 0; t < queries; ++t) {
    T* to = rows + t * w.dims;
    __builtin_prefetch(from + (t + queries) * stride, 0, 2);
    ReadRow(from + t * stride, head_dim, w.dims, to);
    for (int64_t d = 0; d < w.dims; d += kLanes<T>) Store(to + d, Load(to + d) * scale);
  }
  Zero(rows + queries * w.dims, (w.panels * kPanel<T, V> - queries) * w.dims);
}

/// Panels [panels, dims, kPanel] of such rows, and the way back.
template <class T, int V>
inline void PanelsOfRows(const T* rows, const Work<T, V>& w, T* panels) {
  for (int64_t at = 0; at < w.panels * kPanel<T, V> * w.dims; at += kPanel<T, V> * w.dims)
    Transpose(kPanel<T, V>, w.dims, rows + at, w.dims, panels + at, kPanel<T, V>);
}
template <class T, int V>
inline void RowsOfPanels(const T* panels, const Work<T, V>& w, T* rows) {
  for (int64_t at = 0; at < w.panels * kPanel<T, V> * w.dims; at += kPanel<T, V> * w.dims)
    Transpose(w.dims, kPanel<T, V>, panels + at, kPanel<T, V>, rows + at, w.dims);
}

/// Panels in pairs of dimensions [panels, dims / 2, kPanel], as they are stored.
template <class T, int V>
inline void LoadPairPanels(const BFloat16* from, int64_t stride, int64_t queries, int64_t head_dim, const Work<T, V>& w,
                           Pair* panels) {
  const auto at = [=](int64_t t, int64_t d) {
    return t < queries && d < head_dim ? from[t * stride + d] : BFloat16{0};
  };
  for (int64_t panel = 0; panel < w.panels; ++panel) {
    Pair* to = panels + panel * PairsOf(w) * kPanel<T, V>;
    for (int64_t l = 0; l < kPanel<T, V>; ++l)
      for (int64_t i = 0; i < PairsOf(w); ++i) {
        const int64_t t = panel * kPanel<T, V> + l;
        to[i * kPanel<T, V> + l] = MakePair(at(t, 2 * i), at(t, 2 * i + 1));
      }
  }
}

/// q . position_keys of every query and place.
template <class S, int V>
inline void PositionScores(const ExpireAttentionArgs<S>& a, Work<ComputeType<S>, V>& w) {
  using T = ComputeType<S>;
  if (a.positions == 0) return;
  for (int64_t panel = 0; panel < w.panels; ++panel) {
    T* near = w.near + panel * (a.positions + kPanel<T, V>)*kPanel<T, V>;
    if constexpr (kHasPairs<S>)  // rows of a last tile that is not whole go to the room behind
      PairProduct<V>(a.positions, PairsOf(w), w.position_pairs, PairsOf(w),
                     w.q_pairs + panel * PairsOf(w) * kPanel<T, V>, kPanel<T, V>, Scale(a), near, kPanel<T, V>, false);
    else
      Product(a.positions, kPanel<T, V>, a.head_dim, w.position_rows, w.dims, 1,
              w.q_panels + panel * w.dims * kPanel<T, V>, kPanel<T, V>, near, kPanel<T, V>, false);
    // Rows are then places that a key has at the panel's first query.
    SkewRows<kPanel<T, V>>(a.positions, a.positions + kPanel<T, V>, near, kPanel<T, V>);
  }
}

/// Row of `near` for a key in a panel; null if none of its queries is near.
template <int V, class T>
inline T* NearRow(const Key& key, int64_t panel, int64_t positions, T* near) {
  const int64_t place = key.position - panel * kPanel<T, V>;
  if (place < 0 || place >= positions + kPanel<T, V> || positions == 0) return nullptr;
  return near + (panel * (positions + kPanel<T, V>)+place) * kPanel<T, V>;
}

/// Scores of a panel with the tile's groups that it sees: rows of w.scores at `to`.
template <class S, int V>
inline void Scores(const ExpireAttentionArgs<S>& a, const Tile& tile, int64_t panel, Work<ComputeType<S>, V>& w,
                   ComputeType<S>* to, int64_t line) {
  using T = ComputeType<S>;
  for (int64_t g = 0; g < tile.groups; ++g) {
    if (!tile.group[g].SeenBy(panel)) continue;
    bool near = false;
    for (int64_t i = 0; i < kGroup; ++i)
      near |= NearRow<V>(w.plan.keys[tile.first_key + g * kGroup + i], panel, a.positions, w.near) != nullptr;
    T* s = to + g * kGroup * line;
    for (int64_t i = 0; near && i < kGroup; ++i) {
      const T* from = NearRow<V>(w.plan.keys[tile.first_key + g * kGroup + i], panel, a.positions, w.near);
      for (int64_t l = 0; l < kPanel<T, V>; l += kLanes<T>)
        Store(s + i * line + l, from != nullptr ? Load(from + l) : Vec<T>{});
    }
    if constexpr (kHasPairs<S>)
      PairProduct<V>(kGroup, PairsOf(w), w.k_pairs + g * kGroup * PairsOf(w), PairsOf(w),
                     w.q_pairs + panel * PairsOf(w) * kPanel<T, V>, kPanel<T, V>, Scale(a), s, line, near);
    else
      Product(kGroup, kPanel<T, V>, a.head_dim, w.k + g * kGroup * w.dims, w.dims, 1,
              w.q_panels + panel * w.dims * kPanel<T, V>, kPanel<T, V>, s, line, near);
  }
}

/// m of a group's keys for a panel's queries; 0 where a key is not seen.
template <int V, class S, class T>
inline void FillMask(const ExpireAttentionArgs<S>& a, const Key* keys, int64_t panel, int64_t group,
                     const MaskRows<T>& masks) {
  const int64_t t0 = panel * kPanel<T, V>;
  const double inverse = 1 / a.ramp, least = a.least_mask;
  for (int64_t i = 0; i < kGroup; ++i) {
    const Key& key = keys[i];
    const double start = key.span - (key.age + static_cast<double>(t0));
    const int from = static_cast<int>(MaxOf(0, Min(key.from - t0, kPanel<T, V>))),
              to = static_cast<int>(MaxOf(0, Min(key.to - t0, kPanel<T, V>)));
    T* m = masks[group * kGroup + i];
    for (int l = 0; l < kPanel<T, V>; ++l) {
      double x = 1 + (start - l) * inverse;
      x = x > 1 ? 1 : (x > least ? x : least);
      m[l] = l >= from && l < to ? static_cast<T>(x) : T(0);
    }
  }
}

/// Well mixed bits of a 32-bit number.
inline uint32_t Mix(uint32_t x) {
  x = (x ^ (x >> 16)) * 0x7feb352du;
  x = (x ^ (x >> 15)) * 0x846ca68bu;
  return x ^ (x >> 16);
}

/// 0 or 1 / (1 - dropout) for a group's keys and a panel's queries: the same in both directions, whatever the tiles.
template <int V, class S, class T>
inline void FillKeep(const ExpireAttentionArgs<S>& a, int64_t row, int64_t head, int64_t first_key, int64_t panel,
                     T* keep) {
  const auto high = static_cast<uint32_t>(a.dropout_seed >> 32), low = static_cast<uint32_t>(a.dropout_seed);
  const uint32_t stream = Mix(Mix(Mix(low) ^ high) ^ static_cast<uint32_t>(row * a.heads + head));
  const auto threshold = static_cast<uint32_t>(a.dropout * 4294967295.0);
  const T scale = static_cast<T>(1 / (1 - a.dropout));
  for (int64_t i = 0; i < kGroup; ++i) {
    const uint32_t base =
        Mix(stream ^ static_cast<uint32_t>(first_key + i)) + static_cast<uint32_t>(panel * kPanel<T, V>);
    for (uint32_t l = 0; l < kPanel<T, V>; ++l) keep[i * kPanel<T, V> + l] = Mix(base + l) < threshold ? T(0) : scale;
  }
}

}  // namespace lethe::memory::LETHE_ISA
