#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "agents/actor.h"
#include "agents/options.h"

namespace lethe::agents {

/// Names and values, in the order of an environment's metrics.
using NamedMetrics = std::vector<std::pair<std::string, double>>;

struct EvaluationOptions {
  int64_t episodes = 1000;
  int64_t rows = 64;  ///< environments that play at once, over all threads
  int threads = 2;
  Choice choice = Choice::kSample;
  std::function<bool()> stop;  ///< asked between unrolls; true throws Interrupted
};

/// Thrown when `stop` said so.
struct Interrupted : std::runtime_error {
  Interrupted() : std::runtime_error("interrupted") {}
};

/// What an agent scores on levels it never trained on, and what it remembers while playing. Means over all steps of all
/// counted episodes; per layer where a vector.
struct Evaluation {
  int64_t episodes = 0;
  double score = 0;
  double score_low = 0, score_high = 0;      ///< 95 % interval: Wilson's for scores of 0 and 1, else normal
  NamedMetrics metrics;                      ///< every metric of the environment, mean over the episodes
  std::vector<double> living, living_max;    ///< memories with m > 0 for the present query, itself excluded
  std::vector<double> resident;              ///< stored memories of a row, bank and block
  double never_forgetting = 0;               ///< earlier steps of the episode
  std::vector<double> span_cue, span_other;  ///< span of steps whose observation shows the secret, and of the others
  bool sees_last_action = false;             ///< policy.last_action: bounds without memory do not hold for it
  int64_t env_steps = 0;
  double seconds = 0;
};

/// Plays episodes of the run's environment with the given parameters (flat, as FlatParameters orders them).
/// Every row plays its share of the episodes, so that short episodes do not crowd out long ones. The levels are those
/// of Purpose::kEvaluate. Deterministic for the same seed, rows and unroll length.
Evaluation Evaluate(const RunOptions& run, const std::vector<float>& parameters, const EvaluationOptions& options);

/// One JSON object: the keys of `lethe eval --json`.
std::string ToJson(const Evaluation& evaluation);

}  // namespace lethe::agents
