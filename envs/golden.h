#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "envs/env_batch.h"

namespace lethe::envs {

// Golden files hold one finished episode per line of JSON:
//   id            name of the episode, for people
//   level         the level record
//   actions       k actions
//   obs           k + 1 lists of tokens, that of the start first
//   rewards, terminated, truncated    k each
//   metrics       of the episode
// Whoever loads `level` and plays `actions` has to get the rest: exactly, rewards within 1e-6 * max(1, |reward|).

struct ReplayReport {
  int matched = 0;               ///< episodes that came out the same
  int total = 0;                 ///< episodes in the file
  std::string first_difference;  ///< line 3 "walks past": step 5: obs[6][7]: expected 3, got 1; "" if none
};

/// Plays every episode of a golden file. A level that no environment here accepts is a difference, not an error.
/// Errors: std::runtime_error with path and line if the file cannot be read, is malformed or holds no episode.
ReplayReport ReplayFile(const std::string& path);

/// Plays every episode of a golden file and shows `show` each step as text: picture, action, reward, ends.
/// Errors: as ReplayFile; std::invalid_argument for a level that no environment here accepts.
void PlayFile(const std::string& path, const std::function<void(const std::string&)>& show);

/// The action for the only row of a batch, which has just shown `observation`.
using Policy = std::function<uint8_t(const EnvBatch& batch, std::span<const uint8_t> observation)>;

/// The policy of the oracle.
uint8_t ActAsOracle(const EnvBatch& batch, std::span<const uint8_t> observation);

/// Resets a batch of size 1, plays that episode to its end and returns it as a line of a golden file, without '\n'.
/// Errors: std::invalid_argument for another size or an action outside the table.
std::string RecordEpisode(const std::string& id, EnvBatch& batch, const Policy& policy);

}  // namespace lethe::envs
