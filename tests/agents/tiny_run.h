#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agents/options.h"
#include "agents/trainer.h"

namespace lethe::agents {

/// Options of a run from "key=value" assignments.
inline std::unique_ptr<RunOptions> MakeRun(const std::vector<std::string>& assignments) {
  configs::Document document;
  for (const std::string& assignment : assignments) document.Override(assignment);
  return ReadRunOptions(document);
}

/// A run of seconds at most: corridors of 3 to 5 cells, a policy of a few thousand parameters, spans that expire within
/// a few unrolls. `more` comes on top and must not repeat a key.
inline std::unique_ptr<RunOptions> MakeTinyRun(const std::vector<std::string>& more = {}) {
  std::vector<std::string> all = {
      "env.length_max=5", "memory.dim=16",    "memory.ffn=32",         "memory.heads=2",     "memory.span_limit=12",
      "memory.ramp=4",    "train.num_envs=8", "train.unroll_length=8", "log.live_seconds=0",
  };
  all.insert(all.end(), more.begin(), more.end());
  return MakeRun(all);
}

/// Weights after training to the end.
inline std::vector<float> TrainedParameters(const RunOptions& options, TrainerHooks hooks = {}) {
  Trainer trainer(options, std::move(hooks));
  trainer.Train();
  return trainer.state().parameters;
}

}  // namespace lethe::agents
