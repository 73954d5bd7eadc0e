#pragma once

// Vectors, exp and a small matrix product for the kernels of this folder.
//
// Included only by *_avx512bf16.cpp, *_avx512.cpp, *_avx2.cpp and *_baseline.cpp, which are compiled for different
// machines. Each sets LETHE_ISA, the namespace of everything here: two builds of one template must never share a name,
// or the linker would keep whichever it saw first. For the same reason nothing here uses the standard library.

#include <cstdint>

#include "memory/kernels/expire_attention.h"

#ifndef LETHE_ISA
#error "define LETHE_ISA (avx512bf16, avx512, avx2 or baseline) before including a kernel header"
#endif

namespace lethe::memory::LETHE_ISA {

/// 64 bytes of T: one AVX-512 register; the compiler splits it where registers are smaller.
template <class T>
struct VecOf;
template <>
struct VecOf<float> {
  typedef float type __attribute__((vector_size(64), aligned(sizeof(float)), may_alias));
};
template <>
struct VecOf<double> {
  typedef double type __attribute__((vector_size(64), aligned(sizeof(double)), may_alias));
};
template <class T>
using Vec = typename VecOf<T>::type;

/// What one register holds. Compilers keep a longer Vec in memory and fill it a number at a time; where that is too
/// slow, loops take it register by register.
#if defined(__AVX512F__)
inline constexpr int kRegisterBytes = 64;
#elif defined(__AVX__)
inline constexpr int kRegisterBytes = 32;
#else
inline constexpr int kRegisterBytes = 16;
#endif
template <class T>
struct RegisterOf {
  typedef T type __attribute__((vector_size(kRegisterBytes), aligned(sizeof(T)), may_alias));
};
template <class T>
using Register = typename RegisterOf<T>::type;
inline constexpr int kVecRegisters = 64 / kRegisterBytes;

/// Parts of a vector, for what runs across lanes.
template <class T>
struct PartsOf {
  typedef T half __attribute__((vector_size(32), aligned(sizeof(T)), may_alias));
  typedef T quarter __attribute__((vector_size(16), aligned(sizeof(T)), may_alias));
};
template <class T>
using Half = typename PartsOf<T>::half;
template <class T>
using Quarter = typename PartsOf<T>::quarter;

template <class T>
inline constexpr int kLanes = 64 / sizeof(T);

template <class T>
inline constexpr int64_t PadToLanes(int64_t n) {
  return (n + kLanes<T> - 1) / kLanes<T> * kLanes<T>;
}

template <class T>
inline Vec<T> Load(const T* p) {
  return *reinterpret_cast<const Vec<T>*>(p);
}
template <class T>
inline void Store(T* p, Vec<T> v) {
  *reinterpret_cast<Vec<T>*>(p) = v;
}
template <class T>
inline Vec<T> Broadcast(T x) {
  Vec<T> v;
  for (int i = 0; i < kVecRegisters; ++i) reinterpret_cast<Register<T>*>(&v)[i] = Register<T>{} + x;
  return v;
}

template <class T>
inline T Sum(Vec<T> v) {
  // Halves are added until one is left: a chain of additions would wait for each of them.
  const T* all = reinterpret_cast<const T*>(&v);
  const Half<T> half = *reinterpret_cast<const Half<T>*>(all) + *reinterpret_cast<const Half<T>*>(all + kLanes<T> / 2);
  const T* halves = reinterpret_cast<const T*>(&half);
  const Quarter<T> quarter =
      *reinterpret_cast<const Quarter<T>*>(halves) + *reinterpret_cast<const Quarter<T>*>(halves + kLanes<T> / 4);
  if constexpr (kLanes<T> == 8)
    return quarter[0] + quarter[1];
  else
    return (quarter[0] + quarter[2]) + (quarter[1] + quarter[3]);
}
template <class T>
inline T Max(Vec<T> v) {
  const T* all = reinterpret_cast<const T*>(&v);
  const Half<T> low = *reinterpret_cast<const Half<T>*>(all),
                high = *reinterpret_cast<const Half<T>*>(all + kLanes<T> / 2);
  const Half<T> half = low > high ? low : high;
  const T* halves = reinterpret_cast<const T*>(&half);
  const Quarter<T> left = *reinterpret_cast<const Quarter<T>*>(halves),
                   right = *reinterpret_cast<const Quarter<T>*>(halves + kLanes<T> / 4);
  const Quarter<T> quarter = left > right ? left : right;
  T max = quarter[0];
  for (int i = 1; i < kLanes<T> / 4; ++i) max = quarter[i] > max ? quarter[i] : max;
  return max;
}

/// exp, relative error about 1e-7; arguments below -87 give 0 to float precision, those above 88 anything: softmax
/// takes scores below their maximum.
inline Vec<float> Exp(Vec<float> x) {
  typedef int32_t Bits __attribute__((vector_size(64)));
  const Vec<float> lowest = Broadcast(-87.0f);
  x = x < lowest ? lowest : x;
  // Adding 1.5 * 2^23 rounds x / ln 2 to the nearest integer n and leaves n in the low bits.
  const float magic = 12582912.0f;
  const Vec<float> shifted = x * 1.44269504f + magic;
  const Vec<float> n = shifted - magic;
  const Vec<float> r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  Vec<float> p = Broadcast(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  const Bits exponent = ((Bits)shifted + 127) << 23;
  return p * (Vec<float>)exponent;
}

/// Float64 serves the tests and finite differences: full precision before speed.
inline Vec<double> Exp(Vec<double> x) {
  for (int i = 0; i < kLanes<double>; ++i) x[i] = __builtin_exp(x[i]);
  return x;
}

/// A stored number as it is computed with, and back: the nearest, ties to even.
inline float Real(float x) { return x; }
inline double Real(double x) { return x; }
inline float Real(BFloat16 x) { return __builtin_bit_cast(float, static_cast<uint32_t>(x.bits) << 16); }
inline void Set(float& to, float x) { to = x; }
inline void Set(double& to, double x) { to = x; }
inline void Set(BFloat16& to, float x) {
  const uint32_t bits = __builtin_bit_cast(uint32_t, x);
  to.bits = static_cast<uint16_t>(x != x ? 0x7fc0u : (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

template <class S, class T>
inline void ReadRow(const S* from, int64_t n, int64_t padded, T* to) {
  int64_t d = 0;
  if constexpr (__is_same(S, T))
    for (; d + kLanes<T> <= n; d += kLanes<T>) Store(to + d, Load(from + d));
  for (; d < n; ++d) to[d] = Real(from[d]);
  for (; d < padded; ++d) to[d] = 0;
}
template <class S, class T>
inline void WriteRow(const T* from, int64_t n, S* to) {
  int64_t d = 0;
  if constexpr (__is_same(S, T))
    for (; d + kLanes<T> <= n; d += kLanes<T>) Store(to + d, Load(from + d));
  for (; d < n; ++d) Set(to[d], from[d]);
}

#ifdef __AVX512F__
inline constexpr int kTileRows = 8;  // 8 x 2 accumulators of 32 registers
#else
inline constexpr int kTileRows = 3;  // 3 x 2 x 2 accumulators of AVX's 16 registers; plain x86 spills some
#endif

/// One tile of Product: Rows rows and Vecs vectors of C stay in registers while k runs.
template <class T, int Rows, int Vecs>
inline void ProductTile(int64_t depth, const T* a, int64_t a_row, int64_t a_col, const T* b, int64_t ldb, T* c,
                        int64_t ldc, bool accumulate) {
  constexpr int parts = Vecs * kVecRegisters, lanes = kRegisterBytes / sizeof(T);
  const auto part = [](auto* row, int v) { return reinterpret_cast<Register<T>*>(const_cast<T*>(row) + v * lanes); };
  Register<T> sum[Rows][parts];
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 8
    for (int v = 0; v < parts; ++v) sum[i][v] = accumulate ? *part(c + i * ldc, v) : Register<T>{};
  for (int64_t k = 0; k < depth; ++k) {
    Register<T> bk[parts];
#pragma GCC unroll 8
    for (int v = 0; v < parts; ++v) bk[v] = *part(b + k * ldb, v);
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) {
      const T aik = a[i * a_row + k * a_col];
#pragma GCC unroll 8
      for (int v = 0; v < parts; ++v) sum[i][v] += aik * bk[v];
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 8
    for (int v = 0; v < parts; ++v) *part(c + i * ldc, v) = sum[i][v];
}

template <class T, int Rows, int Vecs>
inline void ProductRest(int64_t rows, int64_t depth, const T* a, int64_t a_row, int64_t a_col, const T* b, int64_t ldb,
                        T* c, int64_t ldc, bool accumulate) {
  if constexpr (Rows > 0) {
    if (rows == Rows) {
      ProductTile<T, Rows, Vecs>(depth, a, a_row, a_col, b, ldb, c, ldc, accumulate);
    } else {
      ProductRest<T, Rows - 1, Vecs>(rows, depth, a, a_row, a_col, b, ldb, c, ldc, accumulate);
    }
  }
}

/// C[rows, cols] = A[rows, depth] B[depth, cols], added to C if `accumulate`.
/// A is read element by element at a[i * a_row + k * a_col], so it may be transposed. Rows of B and C are contiguous
/// and `cols` is a multiple of kLanes: pad, and keep the padding of B finite.
template <class T>
inline void Product(int64_t rows, int64_t cols, int64_t depth, const T* a, int64_t a_row, int64_t a_col, const T* b,
                    int64_t ldb, T* c, int64_t ldc, bool accumulate) {
  int64_t j = 0;
  for (; j + 2 * kLanes<T> <= cols; j += 2 * kLanes<T>) {
    int64_t i = 0;
    for (; i + kTileRows <= rows; i += kTileRows)
      ProductTile<T, kTileRows, 2>(depth, a + i * a_row, a_row, a_col, b + j, ldb, c + i * ldc + j, ldc, accumulate);
    ProductRest<T, kTileRows - 1, 2>(rows - i, depth, a + i * a_row, a_row, a_col, b + j, ldb, c + i * ldc + j, ldc,
                                     accumulate);
  }
  if (j < cols) {
    int64_t i = 0;
    for (; i + kTileRows <= rows; i += kTileRows)
      ProductTile<T, kTileRows, 1>(depth, a + i * a_row, a_row, a_col, b + j, ldb, c + i * ldc + j, ldc, accumulate);
    ProductRest<T, kTileRows - 1, 1>(rows - i, depth, a + i * a_row, a_row, a_col, b + j, ldb, c + i * ldc + j, ldc,
                                     accumulate);
  }
}

}  // namespace lethe::memory::LETHE_ISA
