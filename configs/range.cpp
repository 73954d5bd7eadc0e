#include "configs/range.h"

#include <cmath>

#include <fmt/format.h>

namespace lethe::configs {
namespace {

std::string DescribeBounds(const Range& range) {
  const bool has_lo = std::isfinite(range.lo);
  const bool has_hi = std::isfinite(range.hi);
  if (has_lo && has_hi && !range.lo_open) return fmt::format("{}..{}", range.lo, range.hi);
  std::string text;
  if (has_lo) text = fmt::format("{} {}", range.lo_open ? ">" : ">=", range.lo);
  if (has_hi) text += fmt::format("{}<= {}", has_lo ? ", " : "", range.hi);
  return text;
}

std::string DescribeStep(const Range& range) {
  if (range.step <= 0) return "";
  if (range.step == 2 && std::fmod(range.lo, 2) != 0) return "odd, ";
  if (range.step == 2) return "even, ";
  return fmt::format("steps of {}, ", range.step);
}

bool IsOnStep(const Range& range, long double number) {
  if (range.step <= 0) return true;
  // Fractions such as 0.1 are not exact in binary, so "on the step" has to mean "very near to it".
  return std::abs(std::remainder(number - range.lo, static_cast<long double>(range.step))) <= 1e-9L * range.step;
}

}  // namespace

bool Contains(const Range& range, long double number) {
  const bool above = range.lo_open ? number > range.lo : number >= range.lo;
  return above && number <= range.hi && IsOnStep(range, number);
}

std::string Describe(const Range& range) { return DescribeStep(range) + DescribeBounds(range); }

std::string Describe(const OneOf& one_of) {
  const auto& words = one_of.words;
  if (words.empty()) return "";
  if (words.size() == 1) return words[0];
  return fmt::format("{} or {}", fmt::join(words.begin(), words.end() - 1, ", "), words.back());
}

}  // namespace lethe::configs
