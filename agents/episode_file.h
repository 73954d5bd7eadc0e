#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agents/episode.h"

namespace lethe::agents {

/// A saved episode: a safetensors file with the level's record, the actions taken and, with a policy, its weights and
/// the options of its run. Level and actions give the same episode on any machine; the same build gives the same
/// attention too. A policy that was loaded runs on the CPU, wherever it ran before.
///
///   metadata  lethe.episode "1", env_id, level (JSON), seed, number, env_steps, config (YAML; with a policy)
///   actions   [steps] u8
///   policy.*  as in checkpoints
struct EpisodeFile {
  std::string env_id;
  std::string level_json;
  uint64_t seed = 1, number = 0;
  std::vector<uint8_t> actions;
  std::shared_ptr<const FixedPolicy> policy;  ///< null: none

  /// The episode at its first step; `actions` are to be taken.
  std::unique_ptr<PlayedEpisode> Begin() const;
};

/// Errors: std::system_error with path and reason.
void SaveEpisode(const std::string& path, const PlayedEpisode& episode, const std::string& env_id);
/// Errors: configs::SafetensorsError, std::invalid_argument naming what does not fit, std::system_error.
EpisodeFile LoadEpisode(const std::string& path);
/// True for a file that begins like one that SaveEpisode wrote.
bool IsEpisodeFile(const std::string& path);

}  // namespace lethe::agents
