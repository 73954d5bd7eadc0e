// Agents learn: small corridors are solved from scratch, on-policy and off-policy.

#include <gtest/gtest.h>

#include "agents/evaluate.h"
#include "tests/agents/tiny_run.h"

namespace lethe::agents {
namespace {

/// Settings under which a corridor of up to 10 cells is solved in about 0.2 million steps; with old parameters the
/// order of threads decides, and some runs need over a million. The target score ends the others early.
std::unique_ptr<RunOptions> MakeLearningRun(const std::vector<std::string>& more) {
  std::vector<std::string> all = {
      "memory.span_limit=64",      "memory.initial_span=0.75",     "train.num_envs=64",
      "train.unroll_length=16",    "train.discount=0.9",           "train.lambda=0.9",
      "train.max_steps=3000000",   "train.target_score=0.97",      "train.target_episodes=256",
      "train.entropy_weight=0.02", "optimizer.learning_rate=1e-3", "log.live_seconds=0",
  };
  all.insert(all.end(), more.begin(), more.end());
  return MakeRun(all);
}

Evaluation Play(const RunOptions& run, const std::vector<float>& parameters) {
  EvaluationOptions options;
  options.episodes = 500;
  return Evaluate(run, parameters, options);
}

TEST(LearnA2c, SolvesTheCorridor) {
  const auto run = MakeLearningRun({"env.length_max=10"});
  EXPECT_GE(Play(*run, TrainedParameters(*run)).score, 0.95);
}

TEST(LearnImpala, SolvesTheShortCorridorWithOldParameters) {
  const auto run = MakeLearningRun({"env.length_max=5", "train.max_policy_lag=2"});
  EXPECT_GE(Play(*run, TrainedParameters(*run)).score, 0.95);
}

}  // namespace
}  // namespace lethe::agents
