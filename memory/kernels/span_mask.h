#pragma once

namespace lethe::memory {

/// m = clamp(1 + remaining / ramp, 0, 1) in double: the one place that decides whether a memory is alive (m > 0).
/// remaining = span - age. Static: every build of the kernels keeps its own copy.
/// Source: arXiv:2105.06548, soft mask of Expire-Span.
static inline double SpanMask(double remaining, double ramp) {
  const double m = 1 + remaining / ramp;
  return m > 1 ? 1 : (m > 0 ? m : 0);
}

}  // namespace lethe::memory
