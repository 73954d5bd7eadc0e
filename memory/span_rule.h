#pragma once

#include <cstdint>
#include <vector>

namespace lethe::memory {

/// How a step's attention input g decides for how long the step is remembered:
/// with s = sigmoid(weight . g / division + bias), e = limit s, or, on a logarithmic scale, least (limit / least)^s
/// steps; `limit` for every step where there is no weight.
struct SpanRule {
  std::vector<double> weight;  ///< [H] or empty
  double bias = 0;
  double division = 1;  ///< > 0
  double limit = 0;     ///< steps
  double least = 0;     ///< steps, where a logarithmic scale begins; 0: the scale is linear
};

/// The span of one step, in double. Both faces of a memory call this one function, so their spans agree in every bit.
/// g [H] of float, double or at::BFloat16.
template <class T>
double SpanOf(const SpanRule& rule, const T* g);

}  // namespace lethe::memory
