// What actors record, and that the learner's replay of a rollout sees what the actor saw.

#include "agents/actor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "agents/flat_parameters.h"
#include "agents/shards.h"
#include "memory/registry.h"
#include "tests/agents/tiny_run.h"

namespace lethe::agents {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// An actor, a learner's policy of the same weights, and the version they share. Spans differ from step to step, so
/// that memories expire inside rollouts and between them.
struct Pair {
  std::unique_ptr<RunOptions> run;
  std::unique_ptr<Actor> actor;
  std::unique_ptr<Policy> learner;
  std::unique_ptr<FlatParameters> parameters;
  ParamVersion version;

  explicit Pair(std::unique_ptr<RunOptions> options = MakeTinyRun()) : run(std::move(options)) {
    torch::manual_seed(4);
    learner = std::make_unique<Policy>(MakePolicyOptions(*run));
    parameters = std::make_unique<FlatParameters>(*learner);
    const torch::NoGradGuard no_grad;
    for (const auto& part : parameters->parts()) {
      torch::Tensor tensor = part.tensor;
      if (part.name.ends_with(".span")) tensor.normal_(0, 0.7);
      // A policy with preferences: logits, which start small, get about the size of the values, 1.
      if (part.name == "head") tensor.slice(0, 0, tensor.size(0) - 1).mul_(100);
    }
    version.values = parameters->Read();
    version.curriculum = kNaN;
    actor = MakeActor();
  }

  std::unique_ptr<Actor> MakeActor() const {
    const ActorOptions options{.index = 0, .seed = 3, .first_row = 0, .unroll = run->train.unroll_length};
    return std::make_unique<Actor>(options, MakeEnvs(*run, 6, envs::Purpose::kTrain, 0),
                                   std::make_shared<Policy>(learner->options()));
  }
};

/// A core that forgets within rollouts of 8 steps, in corridors of 3 to 5 cells that time runs out in.
std::vector<std::string> SmallRunOf(const std::string& core) {
  std::vector<std::string> all = {"memory.core=" + core,   "env.length_max=5",  "env.limit_scale=1",
                                  "env.limit_offset=4",    "memory.dim=16",     "train.num_envs=8",
                                  "train.unroll_length=8", "log.live_seconds=0"};
  const std::map<std::string, std::vector<std::string>> more = {
      {"expire_span", {"memory.span_limit=12", "memory.ramp=4"}},
      {"adaptive_span", {"memory.span_limit=12", "memory.ramp=4"}},
      {"transformer_xl", {"memory.memory_length=6"}},
      {"compressive", {"memory.memory_length=4", "memory.slots=2", "memory.rate=2"}}};
  if (const auto own = more.find(core); own != more.end())
    all.insert(all.end(), own->second.begin(), own->second.end());
  return all;
}

int64_t Ends(const Rollout& r) { return std::ranges::count(r.terminated, 1) + std::ranges::count(r.truncated, 1); }

/// Largest difference between what the actor's policy said and what the learner's replay says.
double LargestDifference(const Rollout& r, const Shard& shard) {
  double worst = 0;
  for (int64_t t = 0; t < r.unroll; ++t) {
    for (int64_t row = 0; row < r.rows; ++row) {
      const auto replayed = shard.Head(row, t);
      const float* acted = &r.head[static_cast<size_t>((t * r.rows + row) * shard.width())];
      for (size_t k = 0; k < replayed.size(); ++k)
        worst = std::max(worst, std::abs(static_cast<double>(replayed[k]) - acted[k]));
    }
  }
  return worst;
}

class StaleStateWithCellsInView : public testing::TestWithParam<std::string> {};

TEST_P(StaleStateWithCellsInView, ReplayGivesTheActorsOwnProbabilities) {
  auto options = SmallRunOf("expire_span");
  options.push_back("policy.cell_heads=2");
  options.push_back("policy.glance_heads=3");
  options.push_back("memory.front=" + GetParam());
  options.push_back("policy.last_action=true");
  Pair pair(MakeRun(options));
  WorkerPool pool(1);
  ShardedPolicy learner(*pair.learner, *pair.parameters, pool);
  for (int k = 0; k < 12; ++k) {
    std::vector<Rollout> rollouts;
    rollouts.push_back(pair.actor->Run(pair.version));
    const auto shards = learner.Forward(rollouts, {rollouts.front().memory}, false);
    EXPECT_LE(LargestDifference(rollouts.front(), shards.front()), 1e-5) << "rollout " << k;
  }
}

INSTANTIATE_TEST_SUITE_P(Fronts, StaleStateWithCellsInView, testing::Values("none", "gru", "lstm"),
                         [](const auto& param) { return param.param; });

class StaleStateOfEveryCore : public testing::TestWithParam<std::string> {};

/// A memory that is handed over late, early, or with the wrong episode would show up here.
TEST_P(StaleStateOfEveryCore, ReplayGivesTheActorsOwnProbabilities) {
  Pair pair(MakeRun(SmallRunOf(GetParam())));
  WorkerPool pool(1);
  ShardedPolicy learner(*pair.learner, *pair.parameters, pool);
  int64_t ends = 0, truncations = 0;
  memory::StatePtr before;
  double worst_late = 0;
  for (int k = 0; k < 12; ++k) {
    std::vector<Rollout> rollouts;
    rollouts.push_back(pair.actor->Run(pair.version));
    const Rollout& r = rollouts.front();
    const auto shards = learner.Forward(rollouts, {r.memory}, false);
    EXPECT_LE(LargestDifference(r, shards.front()), 1e-5) << "rollout " << k;
    if (before != nullptr) {  // what it would say of a memory that is a rollout late
      const auto late = learner.Forward(rollouts, {before}, false);
      worst_late = std::max(worst_late, LargestDifference(r, late.front()));
    }
    before = r.memory;
    ends += Ends(r), truncations += std::ranges::count(r.truncated, 1);
  }
  EXPECT_GT(ends, 20);
  EXPECT_GT(truncations, 0);
  EXPECT_TRUE(GetParam() == "none" || worst_late > 1e-3) << "the check could not see a late memory";
}

INSTANTIATE_TEST_SUITE_P(Cores, StaleStateOfEveryCore, testing::ValuesIn(memory::CoreNames()),
                         [](const auto& param) { return param.param; });

/// The learner's own memory, carried from block to block, is the one the actor built step by step.
TEST(StaleState, MemoryCarriedByTheLearnerIsTheActors) {
  Pair pair;
  WorkerPool pool(1);
  ShardedPolicy learner(*pair.learner, *pair.parameters, pool);
  memory::StatePtr carried;
  for (int k = 0; k < 8; ++k) {
    std::vector<Rollout> rollouts;
    rollouts.push_back(pair.actor->Run(pair.version));
    if (carried == nullptr) carried = rollouts.front().memory;
    EXPECT_EQ(carried->resident(), rollouts.front().memory->resident()) << "rollout " << k;
    const auto shards = learner.Forward(rollouts, {carried}, true);
    EXPECT_LE(LargestDifference(rollouts.front(), shards.front()), 1e-5) << "rollout " << k;
    carried = shards.front().output.memory.state;
  }
}

TEST(Actor, SlotsFollowTheRulesOfEnds) {
  Pair pair;
  std::vector<uint8_t> expected_last(6, 0), expected_start(6, 1);
  for (int k = 0; k < 6; ++k) {
    const Rollout r = pair.actor->Run(pair.version);
    const auto rows = static_cast<size_t>(r.rows);
    int64_t steps = 0;
    for (size_t at = 0; at < rows * static_cast<size_t>(r.unroll); ++at) {
      EXPECT_EQ(r.is_last[at + rows], r.terminated[at] | r.truncated[at]) << "a slot for the final observation";
      EXPECT_EQ(r.episode_start[at + rows], r.is_last[at]) << "then a new episode";
      EXPECT_TRUE(r.is_last[at] == 0 || r.rewards[at] == 0);
      steps += r.is_last[at] == 0;
    }
    EXPECT_EQ(r.env_steps, steps);
    EXPECT_EQ(static_cast<int64_t>(r.episodes.size()), Ends(r));
    EXPECT_TRUE(std::equal(expected_last.begin(), expected_last.end(), r.is_last.begin()));
    EXPECT_TRUE(std::equal(expected_start.begin(), expected_start.end(), r.episode_start.begin()));
    expected_last.assign(r.is_last.end() - 6, r.is_last.end());
    expected_start.assign(r.episode_start.end() - 6, r.episode_start.end());
  }
}

TEST(DeterminismActor, GoesOnWhereARolloutEnded) {
  Pair pair;
  ActorState middle;
  for (int k = 0; k < 3; ++k) middle = pair.actor->Run(pair.version).end;
  const auto other = pair.MakeActor();
  other->Restore(middle);
  for (int k = 0; k < 3; ++k) {
    const Rollout a = pair.actor->Run(pair.version), b = other->Run(pair.version);
    EXPECT_EQ(a.observations, b.observations);
    EXPECT_EQ(a.actions, b.actions);
    EXPECT_EQ(a.head, b.head);
    EXPECT_EQ(a.rewards, b.rewards);
    EXPECT_EQ(a.end.envs, b.end.envs);
  }
}

TEST(Actor, EpisodesNameTheCurriculumTheyBeganAt) {
  Pair pair;
  pair.version.curriculum = 3;
  for (int k = 0; k < 4; ++k) pair.actor->Run(pair.version);
  pair.version.version = 1, pair.version.curriculum = 5;
  std::vector<double> begun_at;
  for (int k = 0; k < 12; ++k)
    for (const Episode& e : pair.actor->Run(pair.version).episodes) begun_at.push_back(e.curriculum);
  EXPECT_EQ(begun_at.front(), 3) << "begun before the change";
  EXPECT_EQ(begun_at.back(), 5);
}

TEST(ActionSampler, DrawsEachActionAsOftenAsThePolicySays) {
  constexpr int64_t kDraws = 20000;
  const std::vector<float> head{0, 1, -1, 99};  // three logits, then the value
  const ActionSampler sampler(1, envs::Purpose::kTrain, 0);
  std::vector<double> share(3, 0);
  for (int64_t step = 0; step < kDraws; ++step) {
    uint8_t action = 0;
    sampler.Sample(head.data(), 1, 3, step, Choice::kSample, &action);
    share[action] += 1.0 / kDraws;
  }
  const double sum = 1 + std::exp(1) + std::exp(-1);
  EXPECT_NEAR(share[0], 1 / sum, 0.015);  // four standard deviations
  EXPECT_NEAR(share[1], std::exp(1) / sum, 0.015);
  EXPECT_NEAR(share[2], std::exp(-1) / sum, 0.015);
}

TEST(ActionSampler, GreedyTakesTheLargestLogit) {
  const std::vector<float> head{0, 1, -1, 99, 3, 1, 2, 99};
  std::vector<uint8_t> actions(2);
  ActionSampler(1, envs::Purpose::kEvaluate, 0).Sample(head.data(), 2, 3, 0, Choice::kGreedy, actions.data());
  EXPECT_EQ(actions, (std::vector<uint8_t>{1, 0}));
}

TEST(ActionSampler, RowsAreTheSameHoweverTheyAreSplit) {
  const std::vector<float> head(5 * 8, 0.0f);
  std::vector<uint8_t> all(8), part(3);
  ActionSampler(7, envs::Purpose::kTrain, 0).Sample(head.data(), 8, 4, 2, Choice::kSample, all.data());
  ActionSampler(7, envs::Purpose::kTrain, 5).Sample(head.data(), 3, 4, 2, Choice::kSample, part.data());
  EXPECT_TRUE(std::equal(part.begin(), part.end(), all.begin() + 5));
}

}  // namespace
}  // namespace lethe::agents
