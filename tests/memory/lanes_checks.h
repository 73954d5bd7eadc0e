#pragma once

// What memory/kernels/lanes.h must give, as counts of wrong numbers, for the build that LETHE_ISA names. Uses no
// standard library, as the kernels do: see memory/kernels/simd.h.

#include "memory/kernels/lanes.h"

namespace lethe::memory::LETHE_ISA {

/// Of a [2 vectors, 3 vectors] matrix with rows further apart than they are long.
template <class T>
int WrongInTranspose() {
  constexpr int64_t rows = 2 * kLanes<T>, cols = 3 * kLanes<T>, from_row = cols + 5, to_row = rows + 3;
  static T from[rows * from_row], to[cols * to_row];
  for (int64_t i = 0; i < rows * from_row; ++i) from[i] = static_cast<T>(i + 1);
  Transpose(rows, cols, from, from_row, to, to_row);
  int wrong = 0;
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < cols; ++j) wrong += to[j * to_row + i] != from[i * from_row + j];
  return wrong;
}

/// There, against its rule, and back, for any number of rows given; rows around them must stay.
template <class T>
int WrongInSkew() {
  constexpr int64_t n = 2 * kLanes<T>, most = 3 * n + 2;
  static T before[most * n], rows[(most + 2) * n];
  int wrong = 0;
  for (int64_t given = 0; given + n <= most; ++given) {
    const int64_t all = given + n;
    for (int64_t i = 0; i < most * n; ++i) before[i] = static_cast<T>(i + 1);
    for (int64_t i = 0; i < (most + 2) * n; ++i) rows[i] = static_cast<T>(-1);
    T* const first = rows + n;
    for (int64_t i = 0; i < given * n; ++i) first[i] = before[i];
    SkewRows<n>(given, all, first, n);
    for (int64_t i = 0; i < all; ++i)
      for (int64_t l = 0; l < n; ++l)
        wrong += first[i * n + l] != (i >= l && i - l < given ? before[(i - l) * n + l] : T(0));
    SkewRows<n>(all, all, first + (all - 1) * n, -n);
    for (int64_t i = 0; i < given * n; ++i) wrong += first[i] != before[i];
    for (int64_t l = 0; l < n; ++l) wrong += (rows[l] != T(-1)) + (first[all * n + l] != T(-1));
  }
  return wrong;
}

/// Of every stretch of lanes.
template <class T>
int WrongInDoubleSum() {
  Vec<T> x;
  for (int l = 0; l < kLanes<T>; ++l) x[l] = static_cast<T>(1 << l);
  int wrong = 0;
  for (int64_t from = 0; from <= kLanes<T>; ++from)
    for (int64_t to = from; to <= kLanes<T>; ++to)
      wrong += DoubleSum<T>(x, from, to) != static_cast<double>((1 << to) - (1 << from));
  return wrong;
}

}  // namespace lethe::memory::LETHE_ISA
