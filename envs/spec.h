#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lethe::envs {

/// One token of an observation: what it says, and how many values (0 .. vocabulary - 1) it can take.
struct TokenSpec {
  std::string meaning;
  int vocabulary = 0;
  std::vector<std::string> values = {};  ///< names of its first values, for people; those beyond go by their number
};

/// What a caller must know of an environment before its first step. Constant for the life of a batch.
struct Spec {
  std::string family;  ///< "Corridor", without variant and version
  int version = 0;
  int num_actions = 0;                    ///< actions are 0 .. num_actions - 1
  std::vector<std::string> action_names;  ///< num_actions names
  std::vector<TokenSpec> tokens;          ///< an observation is tokens.size() uint8, in this order
  std::vector<TokenSpec> explanation;     ///< what a scout tells of its aims (EnvBatch::Explain); empty: nothing
  std::vector<std::string> metric_names;  ///< reported when an episode ends; the last one is "steps"
  std::string score_metric = "success";   ///< one of metric_names: the number agents are compared by
  std::string curriculum_parameter;       ///< integer parameter that makes levels harder; "" = none
  double curriculum_min = 0;              ///< its easiest value
  double curriculum_max = 0;              ///< its hardest value: the configured one
  /// Cells of a grid that an observation begins with, two tokens each: kind, and colour, where 0 is no colour. 0: it
  /// shows none. All kinds have one vocabulary, and all colours.
  int cells = 0;
};

/// Why episodes are played. Part of the random key, so that no level of an evaluation was trained on.
enum class Purpose : uint32_t { kTrain, kEvaluate, kDemonstrate };

/// How to build a batch. Row i is the environment of global index first_index + i: the same seed, purpose,
/// index and episode number give the same level, however the rows are split over batches and threads.
struct BatchOptions {
  int size = 1;  ///< number of environments, > 0
  uint64_t seed = 0;
  Purpose purpose = Purpose::kTrain;
  uint64_t first_index = 0;  ///< global index of row 0; first_index + size <= 2^32
};

/// Where one Step of a batch writes. Each pointer has `size` entries; observations has size * tokens.size(),
/// one row after the other.
struct StepOutput {
  uint8_t* observations = nullptr;
  float* rewards = nullptr;
  uint8_t* terminated = nullptr;     ///< 1: no reward can follow
  uint8_t* truncated = nullptr;      ///< 1: the clock ran out; never together with terminated
  uint8_t* episode_start = nullptr;  ///< 1: the observation is the first of a new episode
};

}  // namespace lethe::envs
