#pragma once

// Products of bfloat16 numbers in pairs, two multiply-adds a lane: exact products, sums in float, denormals as zero.
// Only in the build for processors that have the instruction; kHasPairs says so. Like simd.h, compiled once per
// machine.

#include "memory/kernels/simd.h"
#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

namespace lethe::memory::LETHE_ISA {

/// Two bfloat16 numbers, the first in the lower half.
using Pair = uint32_t;

#ifdef __AVX512BF16__

template <class S>
inline constexpr bool kHasPairs = __is_same(S, BFloat16);

/// sum += first a * first b + second a * second b, lane by lane.
inline Vec<float> AddPairs(Vec<float> sum, Pair a, const Pair* b) {
  const __m512i lanes = _mm512_loadu_si512(b);
  return (Vec<float>)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32(static_cast<int>(a)), (__m512bh)lanes);
}

template <int Rows, int Vecs>
inline void PairTile(int64_t pairs, const Pair* a, int64_t lda, const Pair* b, int64_t ldb, float scale, float* c,
                     int64_t ldc, bool accumulate) {
  Vec<float> sum[Rows][Vecs] = {};
  for (int64_t k = 0; k < pairs; ++k)
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 2
      for (int v = 0; v < Vecs; ++v) sum[i][v] = AddPairs(sum[i][v], a[i * lda + k], b + k * ldb + v * kLanes<float>);
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 2
    for (int v = 0; v < Vecs; ++v) {
      float* to = c + i * ldc + v * kLanes<float>;
      Store(to, accumulate ? scale * sum[i][v] + Load(to) : scale * sum[i][v]);
    }
}

/// C[rows, cols] = scale A[rows, 2 pairs] B[2 pairs, cols], added to C if `accumulate`. Rows are rounded up to a
/// multiple of 8, for which A and C need room. A holds pairs of a row, B pairs of a column: b[k * ldb + j] are elements
/// (2 k, j) and (2 k + 1, j).
template <int Vecs>
inline void PairProduct(int64_t rows, int64_t pairs, const Pair* a, int64_t lda, const Pair* b, int64_t ldb,
                        float scale, float* c, int64_t ldc, bool accumulate) {
  for (int64_t i = 0; i < rows; i += kTileRows)
    PairTile<kTileRows, Vecs>(pairs, a + i * lda, lda, b, ldb, scale, c + i * ldc, ldc, accumulate);
}

#else

template <class S>
inline constexpr bool kHasPairs = false;
template <int Vecs>
inline void PairProduct(int64_t, int64_t, const Pair*, int64_t, const Pair*, int64_t, float, float*, int64_t, bool);

#endif

/// Two numbers side by side.
inline Pair MakePair(BFloat16 first, BFloat16 second) { return first.bits | static_cast<Pair>(second.bits) << 16; }

/// A row as pairs; zeros up to `padded` numbers.
inline void ReadPairs(const BFloat16* from, int64_t n, int64_t padded, Pair* to) {
  auto* halves = reinterpret_cast<uint16_t __attribute__((may_alias))*>(to);
  for (int64_t d = 0; d < n; ++d) halves[d] = from[d].bits;
  for (int64_t d = n; d < padded; ++d) halves[d] = 0;
}

}  // namespace lethe::memory::LETHE_ISA
