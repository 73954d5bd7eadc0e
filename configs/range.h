#pragma once

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <fmt/format.h>

namespace lethe::configs {

/// Closed interval of allowed values of a number; step 2 with an odd lo means "odd numbers".
struct Range {
  double lo = -std::numeric_limits<double>::infinity();
  double hi = std::numeric_limits<double>::infinity();
  double step = 0;       ///< > 0: only lo, lo + step, ...
  bool lo_open = false;  ///< lo itself is not allowed: Range{.lo = 0, .hi = 100, .lo_open = true}
};

/// The words a text option may hold.
struct OneOf {
  std::vector<std::string> words;
};

/// No restriction beyond the type: flags and free text.
struct Any {};

namespace detail {

inline std::string DescribeBounds(const Range& range) {
  const bool has_lo = std::isfinite(range.lo);
  const bool has_hi = std::isfinite(range.hi);
  if (has_lo && has_hi && !range.lo_open) return fmt::format("{}..{}", range.lo, range.hi);
  std::string text;
  if (has_lo) text = fmt::format("{} {}", range.lo_open ? ">" : ">=", range.lo);
  if (has_hi) text += fmt::format("{}<= {}", has_lo ? ", " : "", range.hi);
  return text;
}

inline std::string DescribeStep(const Range& range) {
  if (range.step <= 0) return "";
  if (range.step == 2 && std::fmod(range.lo, 2) != 0) return "odd, ";
  if (range.step == 2) return "even, ";
  return fmt::format("steps of {}, ", range.step);
}

inline bool IsOnStep(const Range& range, long double number) {
  if (range.step <= 0) return true;
  // Fractions such as 0.1 are not exact in binary, so "on the step" has to mean "very near to it".
  return std::abs(std::remainder(number - range.lo, static_cast<long double>(range.step))) <= 1e-9L * range.step;
}

}  // namespace detail

/// Is the number allowed? Long double holds every int64 exactly, so integers are compared without rounding.
inline bool Contains(const Range& range, long double number) {
  const bool above = range.lo_open ? number > range.lo : number >= range.lo;
  return above && number <= range.hi && detail::IsOnStep(range, number);
}

/// For messages and help: "0..1", ">= 0", "odd, 3..15", "> 0, <= 100"; empty when everything is allowed.
inline std::string Describe(const Range& range) { return detail::DescribeStep(range) + detail::DescribeBounds(range); }

/// "uniform or log_uniform", "red, green or blue".
inline std::string Describe(const OneOf& one_of) {
  const auto& words = one_of.words;
  if (words.empty()) return "";
  if (words.size() == 1) return words[0];
  return fmt::format("{} or {}", fmt::join(words.begin(), words.end() - 1, ", "), words.back());
}

}  // namespace lethe::configs
