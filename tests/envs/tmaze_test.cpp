#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "envs/golden.h"
#include "envs/grid.h"
#include "tests/envs/levels.h"

namespace lethe::envs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int kSignalUp = 1;
constexpr int kSignalDown = 2;

std::unique_ptr<EnvBatch> At(int length, int signal, const Changes& changes = {}) {
  return AtLevel("TMaze-v0", {{"length", length}, {"signal", signal}}, changes);
}

TEST(TMaze, LooksLikeThePicture) {
  const auto batch = At(4, kSignalUp);
  EXPECT_EQ(batch->Text(0),
            "#####.#\n"
            "r@....#\n"
            "#####.#\n");
  PlayActions(*batch, Moves("rrrr"));
  EXPECT_EQ(batch->Text(0),
            "#####.#\n"
            "r....@#\n"
            "#####.#\n");
  PlayActions(*batch, Moves("d"));
  EXPECT_EQ(batch->Text(0),
            "#####.#\n"
            "r.....#\n"
            "#####@#\n");
  EXPECT_THAT(At(4, kSignalDown)->Text(0), HasSubstr("b@....#"));
}

TEST(TMaze, TheSignalIsSeenAtTheStartOnly) {
  const auto batch = At(3, kSignalDown);
  EXPECT_THAT(Observation(*batch), ElementsAre(2, 1));
  EXPECT_TRUE(batch->IsCue(0));
  EXPECT_THAT(PlayActions(*batch, Moves("r")).observations, ElementsAre(0, 0));
  EXPECT_FALSE(batch->IsCue(0));
  EXPECT_THAT(PlayActions(*batch, Moves("l")).observations, ElementsAre(2, 1));
  EXPECT_THAT(PlayActions(*batch, Moves("rr")).observations, ElementsAre(0, 0));
  EXPECT_THAT(PlayActions(*batch, Moves("r")).observations, ElementsAre(0, 2));
  EXPECT_THAT(PlayActions(*batch, Moves("u")).observations, ElementsAre(0, 3));
}

TEST(TMaze, MovesWithoutEffectCostAStep) {
  const auto batch = At(3, kSignalUp);
  EXPECT_THAT(PlayActions(*batch, Moves("lud")).observations, ElementsAre(1, 1));
  EXPECT_THAT(PlayActions(*batch, Moves("rud")).observations, ElementsAre(0, 0));
  EXPECT_THAT(PlayActions(*batch, Moves("rrrr")).observations, ElementsAre(0, 2));
  PlayActions(*batch, Moves("u"));
  EXPECT_EQ(Metric(*batch, 0, "steps"), 11);
}

TEST(TMaze, TheArmOfTheSignalPaysOne) {
  for (const int signal : {kSignalUp, kSignalDown}) {
    const auto batch = At(3, signal);
    const Buffers last = PlayActions(*batch, Moves(signal == kSignalUp ? "rrru" : "rrrd"));
    EXPECT_EQ(last.rewards[0], 1);
    EXPECT_TRUE(last.terminated[0]);
    EXPECT_EQ(Metric(*batch, 0, "success"), 1);
    EXPECT_EQ(Metric(*batch, 0, "wrong_arm"), 0);
    EXPECT_EQ(Metric(*batch, 0, "length"), 3);
    EXPECT_EQ(Metric(*batch, 0, "steps"), 4);
  }
}

TEST(TMaze, TheOtherArmPaysWrongRewardLessStepCostAndEnds) {
  const auto batch = At(3, kSignalUp, {{"wrong_reward", -0.5}, {"step_cost", 0.125}});
  EXPECT_EQ(PlayActions(*batch, Moves("rrr")).rewards[0], -0.125f);
  const Buffers last = PlayActions(*batch, Moves("d"));
  EXPECT_EQ(last.rewards[0], -0.625f);
  EXPECT_TRUE(last.terminated[0]);
  EXPECT_EQ(Metric(*batch, 0, "success"), 0);
  EXPECT_EQ(Metric(*batch, 0, "wrong_arm"), 1);
}

TEST(TMaze, TheClockRunsOutAfterScaleTimesLengthPlusOffset) {
  const auto batch = At(4, kSignalUp, {{"limit_scale", 2}, {"limit_offset", 3}});
  EXPECT_FALSE(PlayActions(*batch, Moves(std::string(10, 'r'))).truncated[0]);
  EXPECT_TRUE(PlayActions(*batch, Moves("r")).truncated[0]);
  EXPECT_EQ(Metric(*batch, 0, "success") + Metric(*batch, 0, "wrong_arm"), 0);
  EXPECT_EQ(Metric(*batch, 0, "steps"), 11);
}

TEST(TMaze, BadLevelsAndParametersAreRefused) {
  const auto batch = At(5, kSignalUp);
  EXPECT_THAT(ErrorOfLevelWith(*batch, "/length", 2), HasSubstr("length is 2; allowed: integers 3..70"));
  EXPECT_THAT(ErrorOfLevelWith(*batch, "/length", 71), HasSubstr("length is 71"));
  EXPECT_THAT(ErrorOfLevelWith(*batch, "/signal", 0), HasSubstr("signal is 0; allowed: integers 1..2"));
  EXPECT_THAT(ErrorOfLevelWith(*batch, "/signal", 3), HasSubstr("signal is 3"));
  EXPECT_THAT(ErrorOfParams("TMaze-v0", {{"length_min", 80}}),
              HasSubstr("length_max is 70; allowed: >= length_min, 80"));
  EXPECT_THAT(ErrorOfParams("TMaze-v0", {{"wrong_reward", 0.5}}), HasSubstr("wrong_reward is 0.5; allowed: -1..0"));
  EXPECT_THAT(ErrorOfParams("TMaze-v0", {{"length_min", 0}}), HasSubstr("length_min is 0"));
}

TEST(TMaze, TheHorizonIsTheLongestLength) {
  for (const char* id : {"TMaze-v0", "TMaze-Short-v0", "TMaze-Long-v0"}) {
    const int64_t length = Find(id).make_params()->Get("length_max").get<int64_t>();
    const auto batch = AtLevel(id, {{"length", length}, {"signal", kSignalDown}});
    EXPECT_EQ(StepsFromCueToEnd(*batch), Find(id).horizon) << id;
    EXPECT_EQ(Metric(*batch, 0, "success"), 1);
  }
}

// Half the chance that random actions enter an arm in time, by following the distribution over the cells.
double RandomSuccess(int length) {
  std::vector<double> chance(length + 1), next(length + 1);
  chance[0] = 1;
  double entered = 0;
  for (int t = 0; t < 4 * length + 20; ++t) {
    std::ranges::fill(next, 0);
    for (int cell = 0; cell <= length; ++cell) {
      next[std::max(cell - 1, 0)] += chance[cell] / 4;
      next[std::min(cell + 1, length)] += chance[cell] / 4;
      (cell == length ? entered : next[cell]) += chance[cell] / 2;
    }
    chance.swap(next);
  }
  return entered / 2;
}

TEST(TMaze, RandomScoresAreExact) {
  for (const char* id : {"TMaze-v0", "TMaze-Short-v0", "TMaze-Long-v0"}) {
    const auto params = Find(id).make_params();
    const int shortest = params->Get("length_min").get<int>(), longest = params->Get("length_max").get<int>();
    double sum = 0;
    for (int length = shortest; length <= longest; ++length) sum += RandomSuccess(length);
    EXPECT_NEAR(Find(id).scores.random, sum / (longest - shortest + 1), 5e-6) << id;
  }
  EXPECT_LT(RandomSuccess(1'000), 1e-90);
}

TEST(TMaze, ScoresAreAsStated) {
  ExpectStatedScores("TMaze-v0", 4'000, 1);
  ExpectStatedScores("TMaze-Short-v0", 4'000, 1);
}

TEST(TMaze, GoldenEpisodesMatch) {
  const ReplayReport report = ReplayFile(LETHE_TEST_DATA "/golden/tmaze.jsonl");
  EXPECT_EQ(report.first_difference, "");
  EXPECT_EQ(report.matched, 5);
}

}  // namespace
}  // namespace lethe::envs
