#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "envs/golden.h"
#include "tests/envs/levels.h"

namespace lethe::envs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// k = 2, N = 6: the example of the rules.
std::unique_ptr<EnvBatch> Example(Changes changes = {}) {
  changes.insert(changes.end(), {{"lag", 2}, {"length", 6}});
  return AtLevel("RepeatPrevious-v0", {{"symbols", {2, 0, 3, 3, 1, 0, 2}}}, changes);
}

TEST(RepeatPrevious, ShowsOneSymbolAStep) {
  const auto batch = Example();
  for (const int symbol : {2, 0, 3, 3, 1, 0}) {
    EXPECT_THAT(Observation(*batch), ElementsAre(symbol));
    EXPECT_TRUE(batch->IsCue(0));
    PlayActions(*batch, {0});
  }
  EXPECT_THAT(Observation(*batch), ElementsAre(2));
}

TEST(RepeatPrevious, LooksLikeThePicture) {
  const auto batch = Example();
  EXPECT_EQ(batch->Text(0), "step 0 of 6\nshown 2\nto say -\n");
  PlayActions(*batch, {0, 0, 0});
  EXPECT_EQ(batch->Text(0), "step 3 of 6\nshown 3\nto say 0\n");
}

TEST(RepeatPrevious, EveryRightAnswerPaysItsShare) {
  const auto batch = Example();
  const std::vector<uint8_t> answers = {2, 0, 2, 1, 3, 3};
  const std::vector<float> rewards = {0, 0, 0.25f, 0, 0.25f, 0.25f};
  for (size_t t = 0; t < answers.size(); ++t) {
    const Buffers last = PlayActions(*batch, {answers[t]});
    EXPECT_EQ(last.rewards[0], rewards[t]) << t;
    EXPECT_EQ(last.terminated[0], t == 5) << t;
    EXPECT_FALSE(last.truncated[0]);
  }
  EXPECT_EQ(Metric(*batch, 0, "accuracy"), 0.75f);
  EXPECT_EQ(Metric(*batch, 0, "steps"), 6);
}

TEST(RepeatPrevious, AnswersBeforeTheLagAreNotScored) {
  const auto batch = Example();
  PlayActions(*batch, {2, 0, 3, 3, 1, 0});  // due are 2, 0, 3, 3 from step 2 on
  EXPECT_EQ(Metric(*batch, 0, "accuracy"), 0);
}

TEST(RepeatPrevious, StepCostIsSubtractedAndTheClockMayStopBefore) {
  const auto batch = Example({{"step_cost", 0.5}, {"max_steps", 3}});
  const Buffers last = PlayActions(*batch, {0, 0, 2});
  EXPECT_EQ(last.rewards[0], -0.25f);
  EXPECT_TRUE(last.truncated[0]);
  EXPECT_EQ(Metric(*batch, 0, "accuracy"), 0.25f);
}

TEST(RepeatPrevious, BadLevelsAndParametersAreRefused) {
  const auto batch = Example();
  EXPECT_THAT(ErrorOfLevelWith(*batch, "/symbols", {1, 2, 3}), HasSubstr("symbols is [1,2,3]; allowed: a list of 7"));
  EXPECT_THAT(ErrorOfLevelWith(*batch, "/symbols", 3), HasSubstr("symbols is 3; allowed: a list of 7"));
  EXPECT_THAT(ErrorOfLevelWith(*batch, "/symbols/4", 4), HasSubstr("symbols[4] is 4; allowed: integers 0..3"));
  EXPECT_THAT(ErrorOfLevelWith(*batch, "/symbols/4", -1), HasSubstr("symbols[4] is -1"));
  EXPECT_THAT(ErrorOfParams("RepeatPrevious-v0", {{"length", 32}}), HasSubstr("length is 32; allowed: > lag, 32"));
  EXPECT_THAT(ErrorOfParams("RepeatPrevious-v0", {{"symbols", 1}}), HasSubstr("symbols is 1; allowed: 2..64"));
  EXPECT_THAT(ErrorOfParams("RepeatPrevious-v0", {{"lag", 0}}), HasSubstr("lag is 0"));
}

// An episode keeps the lag it began with.
TEST(RepeatPrevious, TheCurriculumTakesEffectAtTheNextEpisode) {
  const auto batch = Example();
  batch->SetCurriculum(1);
  const Buffers last = PlayActions(*batch, {0, 0, 2, 0, 3, 3});
  EXPECT_TRUE(last.terminated[0]);
  EXPECT_EQ(Metric(*batch, 0, "accuracy"), 1);
  PlayActions(*batch, {0, 0});
  EXPECT_THAT(batch->Text(0), HasSubstr("step 1 of 6"));
  EXPECT_THAT(batch->Text(0), ::testing::Not(HasSubstr("to say -")));
}

// A level that differs in symbol 0 alone is answered differently at one step, `lag` later.
TEST(RepeatPrevious, TheHorizonIsTheLag) {
  for (const char* id : {"RepeatPrevious-v0", "RepeatPrevious-Short-v0", "RepeatPrevious-Long-v0"}) {
    std::vector<int> symbols(Find(id).make_params()->Get("length").get<size_t>() + 1);
    const auto zeros = AtLevel(id, {{"symbols", symbols}});
    symbols[0] = 1;
    const auto one = AtLevel(id, {{"symbols", symbols}});
    std::vector<int64_t> differ;
    Buffers a(*zeros), b(*one);
    for (int64_t t = 0; !a.ended(0); ++t) {
      zeros->Oracle(a.actions.data());
      one->Oracle(b.actions.data());
      if (a.actions != b.actions) differ.push_back(t);
      a.Step(*zeros);
      b.Step(*one);
    }
    EXPECT_THAT(differ, ElementsAre(Find(id).horizon)) << id;
  }
}

TEST(RepeatPrevious, EverySymbolIsDrawnAlike) {
  const auto batch = MakeBatch("RepeatPrevious-Long-v0", {.size = 20, .seed = 4}, {{"symbols", 5}});
  Buffers buffers(*batch);
  batch->Reset(buffers.observations.data());
  std::vector<int> counts(5);
  for (int row = 0; row < 20; ++row) {
    const auto symbols = Json::parse(batch->LevelJson(row))["symbols"].get<std::vector<int>>();
    for (const int symbol : symbols) ++counts[symbol];
  }
  const double n = 20 * 1'025;
  for (const int count : counts) EXPECT_NEAR(count / n, 0.2, 4 * StandardError(0.2, static_cast<int>(n)));
}

TEST(RepeatPrevious, ScoresAreAsStated) {
  ExpectStatedScores("RepeatPrevious-v0", 1'000, 96);
  ExpectStatedScores("RepeatPrevious-Short-v0", 1'000, 28);
  ExpectStatedScores("RepeatPrevious-Long-v0", 1'000, 768);
}

TEST(RepeatPrevious, GoldenEpisodesMatch) {
  const ReplayReport report = ReplayFile(LETHE_TEST_DATA "/golden/repeat_previous.jsonl");
  EXPECT_EQ(report.first_difference, "");
  EXPECT_EQ(report.matched, 5);
}

}  // namespace
}  // namespace lethe::envs
