#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "envs/golden.h"
#include "tests/envs/levels.h"

namespace lethe::envs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int kRecall = 4;

// The example of the rules.
std::unique_ptr<EnvBatch> Example(Changes changes = {}) {
  changes.push_back({"length", 3});
  return AtLevel("Autoencode-v0", {{"symbols", {2, 0, 3}}}, changes);
}

TEST(Autoencode, ShowsTheSymbolsThenRecall) {
  const auto batch = Example();
  for (const int token : {2, 0, 3, kRecall, kRecall, kRecall}) {
    EXPECT_THAT(Observation(*batch), ElementsAre(token));
    EXPECT_EQ(batch->IsCue(0), token != kRecall);
    PlayActions(*batch, {0});
  }
  EXPECT_THAT(Observation(*batch), ElementsAre(kRecall));
}

TEST(Autoencode, LooksLikeThePicture) {
  const auto batch = Example();
  EXPECT_EQ(batch->Text(0), "step 0 of 6\nshown 2\nto say -\n");
  PlayActions(*batch, {0, 0, 0, 0, 0});
  EXPECT_EQ(batch->Text(0), "step 5 of 6\nshown recall\nto say 2\n");
}

TEST(Autoencode, RightAnswersInReverseOrderPayTheirShare) {
  const auto batch = Example();
  const std::vector<uint8_t> answers = {2, 0, 3, 3, 1, 2};
  const float share = 1.0f / 3;
  const std::vector<float> rewards = {0, 0, 0, share, 0, share};
  for (size_t t = 0; t < answers.size(); ++t) {
    const Buffers last = PlayActions(*batch, {answers[t]});
    EXPECT_EQ(last.rewards[0], rewards[t]) << t;
    EXPECT_EQ(last.terminated[0], t == 5) << t;
    EXPECT_FALSE(last.truncated[0]);
  }
  EXPECT_FLOAT_EQ(Metric(*batch, 0, "accuracy"), 2.0f / 3);
  EXPECT_EQ(Metric(*batch, 0, "steps"), 6);
}

TEST(Autoencode, StepCostIsSubtractedAndTheClockMayStopBefore) {
  const auto batch = Example({{"step_cost", 0.5}, {"max_steps", 4}});
  const Buffers last = PlayActions(*batch, {0, 0, 0, 3});
  EXPECT_FLOAT_EQ(last.rewards[0], 1.0f / 3 - 0.5f);
  EXPECT_TRUE(last.truncated[0]);
  EXPECT_FLOAT_EQ(Metric(*batch, 0, "accuracy"), 1.0f / 3);
}

TEST(Autoencode, BadLevelsAndParametersAreRefused) {
  const auto batch = Example();
  EXPECT_THAT(ErrorOfLevelWith(*batch, "/symbols", {1, 2}), HasSubstr("symbols is [1,2]; allowed: a list of 3"));
  EXPECT_THAT(ErrorOfLevelWith(*batch, "/symbols/2", kRecall), HasSubstr("symbols[2] is 4; allowed: integers 0..3"));
  EXPECT_THAT(ErrorOfLevelWith(*batch, "/symbols/0", 1.0), HasSubstr("symbols[0] is 1.0"));
  EXPECT_THAT(ErrorOfLevelWith(*batch, "/params/length", 10), HasSubstr("length is 10; this batch has room for 3"));
  EXPECT_THAT(ErrorOfParams("Autoencode-v0", {{"length", 0}}), HasSubstr("length is 0"));
  EXPECT_THAT(ErrorOfParams("Autoencode-v0", {{"symbols", 65}}), HasSubstr("symbols is 65; allowed: 2..64"));
}

// An episode keeps the length it began with.
TEST(Autoencode, TheCurriculumTakesEffectAtTheNextEpisode) {
  const auto batch = Example();
  batch->SetCurriculum(1);
  EXPECT_TRUE(PlayActions(*batch, {0, 0, 0, 3, 0, 2}).terminated[0]);
  EXPECT_EQ(Metric(*batch, 0, "accuracy"), 1);
  EXPECT_TRUE(PlayActions(*batch, {0, 0, 0}).terminated[0]);
  EXPECT_EQ(Metric(*batch, 0, "steps"), 2);
}

// A level that differs in symbol 0 alone is answered differently at the last step alone.
TEST(Autoencode, TheHorizonIsTwiceTheLengthLessOne) {
  for (const char* id : {"Autoencode-v0", "Autoencode-Short-v0", "Autoencode-Long-v0"}) {
    std::vector<int> symbols(Find(id).make_params()->Get("length").get<size_t>());
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

TEST(Autoencode, ScoresAreAsStated) {
  ExpectStatedScores("Autoencode-v0", 1'000, 32);
  ExpectStatedScores("Autoencode-Short-v0", 4'000, 4);
  ExpectStatedScores("Autoencode-Long-v0", 1'000, 256);
}

TEST(Autoencode, GoldenEpisodesMatch) {
  const ReplayReport report = ReplayFile(LETHE_TEST_DATA "/golden/autoencode.jsonl");
  EXPECT_EQ(report.first_difference, "");
  EXPECT_EQ(report.matched, 5);
}

}  // namespace
}  // namespace lethe::envs
