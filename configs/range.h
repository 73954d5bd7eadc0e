#pragma once

#include <limits>
#include <string>
#include <vector>

namespace lethe::configs {

/// Closed interval of allowed values of a number; step 2 with an odd lo means "odd numbers".
struct Range {
  double lo = -std::numeric_limits<double>::infinity();
  double hi = std::numeric_limits<double>::infinity();
  double step = 0;  ///< > 0: only lo, lo + step, ...
};

/// The words a text option may hold.
struct OneOf {
  std::vector<std::string> words;
};

/// No restriction beyond the type: flags and free text.
struct Any {};

}  // namespace lethe::configs
