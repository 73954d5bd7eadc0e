#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "envs/json.h"

namespace lethe::envs {

// One line of a golden file (see envs/golden.h) in memory: read, written and compared here, played in golden.cpp.

using Tokens = std::vector<uint8_t>;

struct Transition {
  uint8_t action = 0;
  Tokens obs;  ///< after the step
  double reward = 0;
  bool terminated = false;
  bool truncated = false;
  bool IsEnd() const { return terminated || truncated; }
};

struct Episode {
  std::string id;
  Json level;
  Tokens first_obs;
  std::vector<Transition> steps;
  std::map<std::string, double> metrics;
};

/// Errors: std::invalid_argument with the member at fault.
Episode ReadEpisode(const std::string& line);

/// One line without '\n'.
std::string WriteEpisode(const Episode& episode);

/// The first difference: "step 5: obs[6][7]: expected 3, got 1"; "" if none.
std::string FirstDifference(const Episode& expected, const Episode& got);

}  // namespace lethe::envs
