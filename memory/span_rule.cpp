#include "memory/span_rule.h"

#include <torch/types.h>

#include <cmath>

namespace lethe::memory {

namespace {

/// Sum of g[i] w[i] in double, always in the same order.
template <class T>
double Dot(const T* g, const std::vector<double>& w) {
  constexpr size_t kSums = 8;
  double sums[kSums] = {};
  size_t i = 0;
  for (; i + kSums <= w.size(); i += kSums)
    for (size_t k = 0; k < kSums; ++k) sums[k] += static_cast<double>(g[i + k]) * w[i + k];
  for (; i < w.size(); ++i) sums[0] += static_cast<double>(g[i]) * w[i];
  for (size_t half = kSums / 2; half > 0; half /= 2)
    for (size_t k = 0; k < half; ++k) sums[k] += sums[k + half];
  return sums[0];
}

}  // namespace

template <class T>
double SpanOf(const SpanRule& rule, const T* g) {
  if (rule.weight.empty()) return rule.limit;
  const double inverse = 1 + std::exp(-(Dot(g, rule.weight) / rule.division + rule.bias));
  if (rule.least == 0) return rule.limit / inverse;
  return rule.least * std::exp(std::log(rule.limit / rule.least) / inverse);
}

template double SpanOf<float>(const SpanRule&, const float*);
template double SpanOf<double>(const SpanRule&, const double*);
template double SpanOf<at::BFloat16>(const SpanRule&, const at::BFloat16*);

}  // namespace lethe::memory
