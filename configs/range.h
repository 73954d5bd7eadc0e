#pragma once

#include <limits>
#include <string>
#include <vector>

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

/// Is the number allowed? Long double holds every int64 exactly, so integers are compared without rounding.
bool Contains(const Range& range, long double number);

/// For messages and help: "0..1", ">= 0", "odd, 3..15", "> 0, <= 100"; empty when everything is allowed.
std::string Describe(const Range& range);

/// "uniform or log_uniform", "red, green or blue".
std::string Describe(const OneOf& one_of);

}  // namespace lethe::configs
