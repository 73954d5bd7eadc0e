#include "agents/evaluate.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "agents/flat_parameters.h"
#include "tests/agents/tiny_run.h"

namespace lethe::agents {
namespace {

/// A run and fresh weights for it.
struct Agent {
  std::unique_ptr<RunOptions> run = MakeTinyRun();
  std::vector<float> parameters;

  Agent() {
    torch::manual_seed(5);
    Policy policy(MakePolicyOptions(*run));
    parameters = FlatParameters(policy).Read();
  }
  Evaluation Play(int64_t episodes, int64_t rows, int threads, Choice choice = Choice::kSample) const {
    EvaluationOptions options;
    options.episodes = episodes, options.rows = rows, options.threads = threads, options.choice = choice;
    return Evaluate(*run, parameters, options);
  }
};

void ExpectSamePlay(const Evaluation& a, const Evaluation& b) {
  EXPECT_EQ(a.episodes, b.episodes);
  EXPECT_EQ(a.env_steps, b.env_steps);
  EXPECT_NEAR(a.score, b.score, 1e-12);
  EXPECT_EQ(a.living_max, b.living_max);
  EXPECT_NEAR(a.never_forgetting, b.never_forgetting, 1e-12);
  ASSERT_EQ(a.metrics.size(), b.metrics.size());
  for (size_t i = 0; i < a.metrics.size(); ++i) EXPECT_NEAR(a.metrics[i].second, b.metrics[i].second, 1e-9);
}

TEST(DeterminismEvaluate, TheSameTwiceAndForAnyNumberOfThreads) {
  const Agent agent;
  const Evaluation one = agent.Play(30, 6, 1);
  ExpectSamePlay(agent.Play(30, 6, 1), one);
  ExpectSamePlay(agent.Play(30, 6, 2), one);
  EXPECT_EQ(agent.Play(30, 6, 1).living, one.living);
}

TEST(Evaluate, PlaysExactlyTheEpisodesAskedFor) {
  const Agent agent;
  for (const auto& [episodes, rows] : {std::pair{1, 64}, {10, 4}, {7, 7}, {3, 8}})
    EXPECT_EQ(agent.Play(episodes, rows, 2).episodes, episodes);
}

TEST(Evaluate, FiguresHangTogether) {
  const Agent agent;
  const Evaluation e = agent.Play(50, 8, 2);
  EXPECT_GT(e.score, 0);
  EXPECT_LT(e.score, 1);
  EXPECT_LT(e.score_low, e.score);
  EXPECT_GT(e.score_high, e.score);
  EXPECT_GT(e.env_steps, 50);
  ASSERT_EQ(e.metrics.size(), 4u);
  EXPECT_EQ(e.metrics[0].first, "success");
  EXPECT_NEAR(e.metrics[0].second, e.score, 1e-12);
  EXPECT_EQ(e.metrics[3].first, "steps");
  EXPECT_NEAR(e.metrics[3].second * 50, static_cast<double>(e.env_steps), 1e-6)
      << "a mean over episodes, not over rows";
  ASSERT_EQ(e.living.size(), 2u);
  for (size_t l = 0; l < 2; ++l) {
    EXPECT_GT(e.living[l], 0);
    EXPECT_LE(e.living[l], e.never_forgetting) << "nothing outlives its episode";
    EXPECT_LE(e.living_max[l], 12 + 4) << "span limit and ramp";
    EXPECT_GT(e.span_cue[l], 0);
    EXPECT_GT(e.span_other[l], 0);
  }
}

TEST(Evaluate, GreedyIsAnotherChoice) {
  const Agent agent;
  EXPECT_NE(agent.Play(20, 4, 1, Choice::kGreedy).env_steps, agent.Play(20, 4, 1).env_steps);
}

TEST(Evaluate, StopsWhenAsked) {
  const Agent agent;
  EvaluationOptions options;
  options.stop = [] { return true; };
  EXPECT_THROW(Evaluate(*agent.run, agent.parameters, options), Interrupted);
}

TEST(Evaluate, JsonHasTheDocumentedKeys) {
  const auto json = nlohmann::json::parse(ToJson(Agent().Play(10, 4, 1)));
  for (const char* key :
       {"episodes", "score", "score_ci", "metrics", "living_memories", "living_memories_max", "resident_memories",
        "never_forgetting", "span_cue", "span_other", "sees_last_action", "steps_per_s"})
    EXPECT_TRUE(json.contains(key)) << key;
  EXPECT_EQ(json["episodes"], 10);
  EXPECT_EQ(json["score_ci"].size(), 2u);
  EXPECT_EQ(json["living_memories"].size(), 2u);
}

/// A policy without a single success still has an interval that does not collapse.
TEST(Evaluate, IntervalOfAllFailuresReachesAboveZero) {
  const auto run = MakeTinyRun({"env.max_steps=2"});  // too short to reach a door
  EvaluationOptions options;
  options.episodes = 20, options.rows = 4;
  const Evaluation e = Evaluate(*run, Agent().parameters, options);
  EXPECT_EQ(e.score, 0);
  EXPECT_EQ(e.score_low, 0);
  EXPECT_NEAR(e.score_high, 0.161, 0.001) << "Wilson's interval for 0 of 20";
}

}  // namespace
}  // namespace lethe::agents
