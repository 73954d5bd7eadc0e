#pragma once

// Numbers that change lanes or rows: transposed and skewed matrices. Like simd.h, compiled once per machine: see there
// for LETHE_ISA.

#include "memory/kernels/simd.h"

namespace lethe::memory::LETHE_ISA {

/// A vector's lanes as whole numbers: what a comparison gives and a shuffle takes.
template <class T>
using LaneNumbers = decltype(Vec<T>{} > Vec<T>{});

/// Sum in double.
inline double DoubleSum(Vec<double> x) { return Sum<double>(x); }
inline double DoubleSum(Vec<float> x) {
  const auto* halves = reinterpret_cast<const Half<float>*>(&x);
  return Sum<double>(__builtin_convertvector(halves[0], Vec<double>) + __builtin_convertvector(halves[1], Vec<double>));
}

/// The same of lanes [from, to).
template <class T>
inline double DoubleSum(Vec<T> x, int64_t from, int64_t to) {
  LaneNumbers<T> number;
  for (int l = 0; l < kLanes<T>; ++l) number[l] = l;
  return DoubleSum((number >= static_cast<int>(from)) & (number < static_cast<int>(to)) ? x : Vec<T>{});
}

/// to[d * to_row + l] = from[l * from_row + d] for a square of kLanes numbers.
template <class T>
inline void TransposeSquare(const T* from, int64_t from_row, T* to, int64_t to_row) {
  constexpr int n = kLanes<T>;
#if defined(__AVX512F__) && !defined(__clang__)  // __builtin_shuffle is GCC's
  // Both halves of the rows are dealt out in turn, log2(n) times: then what was a row is a lane.
  LaneNumbers<T> low, high;
  for (int l = 0; l < n; ++l) low[l] = l / 2 + l % 2 * n, high[l] = low[l] + n / 2;
  Vec<T> rows[n], dealt[n];
#pragma GCC unroll 16
  for (int i = 0; i < n; ++i) rows[i] = Load(from + i * from_row);
#pragma GCC unroll 4
  for (int round = 1; round < n; round *= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < n / 2; ++i) {
      dealt[2 * i] = __builtin_shuffle(rows[i], rows[i + n / 2], low);
      dealt[2 * i + 1] = __builtin_shuffle(rows[i], rows[i + n / 2], high);
    }
#pragma GCC unroll 16
    for (int i = 0; i < n; ++i) rows[i] = dealt[i];
  }
#pragma GCC unroll 16
  for (int i = 0; i < n; ++i) Store(to + i * to_row, rows[i]);
#else
  for (int l = 0; l < n; ++l)
    for (int d = 0; d < n; ++d) to[d * to_row + l] = from[l * from_row + d];
#endif
}

/// to [cols, rows] = from [rows, cols] transposed; both are whole vectors.
template <class T>
inline void Transpose(int64_t rows, int64_t cols, const T* from, int64_t from_row, T* to, int64_t to_row) {
  for (int64_t i = 0; i < rows; i += kLanes<T>)
    for (int64_t j = 0; j < cols; j += kLanes<T>)
      TransposeSquare(from + i * from_row + j, from_row, to + j * to_row + i, to_row);
}

/// Lanes whose number, counted from `first`, has this bit.
template <class T>
inline LaneNumbers<T> LanesWithBit(int64_t first, int64_t bit) {
  LaneNumbers<T> mask = {};
  for (int64_t l = 0; l < kLanes<T>; ++l) mask[l] = ((first + l) & bit) != 0 ? -1 : 0;
  return mask;
}

/// Lane l of row i moves to row i + l, in place: `rows` rows of Columns lanes, a row `stride` behind the one before; of
/// them `given` are read, those behind count as zeros, and what leaves the last is lost. Lanes go down by the bits of
/// their number: each bit's round waits as many rows as the bit says in a ring of its own.
template <int64_t Columns, class T>
inline void SkewRows(int64_t given, int64_t rows, T* first_row, int64_t stride) {
  for (int64_t first = 0; first < Columns; first += kLanes<T>) {
    Vec<T> rings[Columns] = {};  // that of a bit begins at bit - 1
    for (int64_t block = 0; block < rows; block += Columns / 2) {
#pragma GCC unroll 16
      for (int64_t r = 0; r < Columns / 2; ++r) {
        const int64_t i = block + r;
        Vec<T> x = i < given ? Load(first_row + i * stride + first) : Vec<T>{};
#pragma GCC unroll 5
        for (int64_t bit = 1; bit < Columns; bit *= 2) {
          Vec<T>& waiting = rings[bit - 1 + r % bit];
          const Vec<T> moved = LanesWithBit<T>(first, bit) ? waiting : x;
          waiting = x, x = moved;
        }
        if (i < rows) Store(first_row + i * stride + first, x);
      }
    }
  }
}

}  // namespace lethe::memory::LETHE_ISA
