#pragma once

// Norms and sums over rows for one machine; see rows.h, and simd.h for LETHE_ISA.

#include "memory/kernels/rows.h"
#include "memory/kernels/simd.h"

namespace lethe::memory::LETHE_ISA {

/// A vector of stored numbers as they are computed with, and back (nearest, ties to even).
inline Vec<float> LoadReal(const float* p) { return Load(p); }
inline void StoreReal(float* p, Vec<float> v) { Store(p, v); }
typedef uint16_t Halves __attribute__((vector_size(32), aligned(2), may_alias));
typedef uint32_t Bits __attribute__((vector_size(64)));
inline Vec<float> LoadReal(const BFloat16* p) {
  return (Vec<float>)(__builtin_convertvector(*reinterpret_cast<const Halves*>(p), Bits) << 16);
}
inline void StoreReal(BFloat16* p, Vec<float> v) {
  const Bits bits = (Bits)v, rounded = bits + 0x7fffu + ((bits >> 16) & 1u);
  const Bits kept = v == v ? rounded : Bits{} + 0x7fc00000u;
  *reinterpret_cast<Halves*>(p) = __builtin_convertvector(kept >> 16, Halves);
}

/// How a whole vector of a row is read and written.
struct Whole {
  template <class S>
  Vec<float> operator()(const S* p) const {
    return LoadReal(p);
  }
  template <class S>
  void operator()(S* p, Vec<float> v) const {
    StoreReal(p, v);
  }
};

/// The same of the first n < kLanes numbers; those behind them read as zeros.
struct Part {
  int64_t n;
  template <class S>
  Vec<float> operator()(const S* p) const {
    Vec<float> v = {};
    for (int64_t i = 0; i < n; ++i) v[i] = Real(p[i]);
    return v;
  }
  template <class S>
  void operator()(S* p, Vec<float> v) const {
    for (int64_t i = 0; i < n; ++i) Set(p[i], v[i]);
  }
};

/// Calls use(first column, load, store) on every vector of a row; the last one may be a part.
template <class F>
inline void ForVectors(int64_t cols, F use) {
  constexpr int64_t lanes = kLanes<float>;
  int64_t c = 0;
  for (; c + lanes <= cols; c += lanes) use(c, Whole(), Whole());
  if (c < cols) use(c, Part{cols - c}, Part{cols - c});
}

template <class S>
inline void Norm(const NormArgs<S>& a) {
  const float share = 1 / static_cast<float>(a.cols);
  const auto z_of = [&](int64_t at, auto load) {
    const Vec<float> x = load(a.x + at);
    return a.part != nullptr ? x + load(a.part + at) : x;
  };
  for (int64_t row = 0; row < a.rows; ++row) {
    const int64_t at = row * a.cols;
    Vec<float> sum = {};
    ForVectors(a.cols, [&](int64_t c, auto load, auto) { sum += z_of(at + c, load); });
    const float mean = Sum<float>(sum) * share;
    Vec<float> square = {};
    ForVectors(a.cols, [&](int64_t c, auto load, auto store) {
      Vec<float> ones = {};
      store(reinterpret_cast<float*>(&ones), Broadcast(1.0f));  // columns that are there
      const Vec<float> d = z_of(at + c, load) - mean * ones;
      square += d * d;
    });
    const float inverse = 1 / __builtin_sqrtf(Sum<float>(square) * share + 1e-5f);
    ForVectors(a.cols, [&](int64_t c, auto load, auto store) {
      const Vec<float> n = (z_of(at + c, load) - mean) * inverse;
      store(a.normal + at + c, n);
      store(a.y + at + c, n * load(a.weight + c) + load(a.bias + c));
    });
    a.inverse_deviation[row] = inverse;
  }
}

template <class S>
inline void NormGrad(const NormGradArgs<S>& a) {
  const float share = 1 / static_cast<float>(a.cols);
  for (int64_t c = 0; c < a.cols; ++c) a.grad_weight[c] = a.grad_bias[c] = 0;
  for (int64_t row = 0; row < a.rows; ++row) {
    const int64_t at = row * a.cols;
    Vec<float> sum = {}, product = {};
    ForVectors(a.cols, [&](int64_t c, auto load, auto store) {
      const Vec<float> grad = load(a.grad + at + c), n = load(a.normal + at + c), g = grad * load(a.weight + c);
      store(a.grad_weight + c, load(a.grad_weight + c) + grad * n);
      store(a.grad_bias + c, load(a.grad_bias + c) + grad);
      sum += g;
      product += g * n;
    });
    const float mean = Sum<float>(sum) * share, slope = Sum<float>(product) * share, inverse = a.inverse_deviation[row];
    ForVectors(a.cols, [&](int64_t c, auto load, auto store) {
      const Vec<float> g = load(a.grad + at + c) * load(a.weight + c);
      store(a.grad_z + at + c, inverse * (g - mean - slope * load(a.normal + at + c)));
    });
  }
}

inline void BiasGrad(const BiasGradArgs& a) {
  for (int64_t c = 0; c < a.cols && a.sums != nullptr; ++c) a.sums[c] = 0;
  for (int64_t row = 0; row < a.rows; ++row) {
    const int64_t at = row * a.cols;
    ForVectors(a.cols, [&](int64_t c, auto load, auto store) {
      Vec<float> grad = load(a.grad + at + c);
      if (a.y != nullptr) {
        grad = load(a.y + at + c) > 0 ? grad : Vec<float>{};
        store(a.masked + at + c, grad);
      }
      if (a.sums != nullptr) store(a.sums + c, load(a.sums + c) + grad);
    });
  }
}

inline void Embed(const EmbedArgs& a) {
  for (int64_t row = 0; row < a.rows; ++row) {
    const uint8_t* observed = a.observed + row * a.tokens;
    ForVectors(a.cols, [&](int64_t c, auto load, auto store) {
      Vec<float> sum = load(a.start + c);
      for (int64_t j = 0; j < a.tokens; ++j) sum += load(a.table + (a.offsets[j] + observed[j]) * a.cols + c);
      store(a.out + row * a.out_row + c, sum);
    });
  }
}

inline void EmbedGrad(const EmbedGradArgs& a) {
  for (int64_t row = 0; row < a.rows; ++row) {
    const uint8_t* observed = a.observed + row * a.tokens;
    for (int64_t j = 0; j < a.tokens; ++j) {
      float* word = a.grad_table + (a.offsets[j] + observed[j]) * a.cols;
      ForVectors(a.cols, [&](int64_t c, auto load, auto store) {
        store(word + c, load(word + c) + load(a.grad + row * a.grad_row + c));
      });
    }
  }
}

constexpr RowKernels kRowKernels = {Norm<float>, NormGrad<float>, Norm<BFloat16>, NormGrad<BFloat16>,
                                    BiasGrad,    Embed,           EmbedGrad};

}  // namespace lethe::memory::LETHE_ISA
