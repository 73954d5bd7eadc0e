#pragma once

#include "envs/stream.h"

namespace lethe::envs::sequence {

namespace detail {

/// True with probability exp(-p), 0 <= p <= 1: the run of uniform numbers that falls from p on has an even length.
/// Source: von Neumann, 1951; P(length >= k) = p^k / k!.
inline bool ChanceOfExp(double p, Stream& random) {
  bool even = true;
  for (double last = p, drawn; (drawn = random.Uniform()) < last; last = drawn) even = !even;
  return even;
}

/// True when `count` independent chances of exp(-p) all come true.
inline bool AllChances(int count, double p, Stream& random) {
  while (count > 0 && ChanceOfExp(p, random)) --count;
  return count == 0;
}

}  // namespace detail

/// A standard normal number by comparisons alone, so that every machine draws the same; `std::` and libm differ.
/// Source: Karney, "Sampling exactly from the normal distribution", ACM TOMS 42, 2016, algorithm N.
inline double DrawNormal(Stream& random) {
  for (;;) {
    int whole = 0;
    while (detail::ChanceOfExp(0.5, random)) ++whole;
    if (!detail::AllChances(whole * (whole - 1), 0.5, random)) continue;
    const double part = random.Uniform();
    if (!detail::AllChances(whole + 1, part * (2 * whole + part) / (2 * whole + 2), random)) continue;
    return random.Below(2) == 0 ? whole + part : -(whole + part);
  }
}

}  // namespace lethe::envs::sequence
