// The example of examples/plugin, loaded as a plug-in, keeps what its rules say.

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "envs/plugin.h"
#include "tests/envs/play.h"

namespace lethe::envs {
namespace {

using ::testing::HasSubstr;

class Echo : public ::testing::Test {
 protected:
  Echo() { LoadPlugin(LETHE_TEST_PLUGINS "/libplugin_echo.so"); }

  // A batch of one on the given level.
  static std::unique_ptr<EnvBatch> At(int word, int delay, const Changes& changes = {}) {
    const auto params = Find("Echo-v0").make_params();
    for (const Change& change : changes) params->Set(change.name, change.value);
    auto batch = Find("Echo-v0").make_batch(*params, {});
    const Json level = {
        {"env", "Echo"}, {"version", 0}, {"params", params->ToJson()}, {"word", word}, {"delay", delay}};
    batch->LoadLevel(0, level.dump());
    return batch;
  }

  static Buffers Play(EnvBatch& batch, const std::vector<uint8_t>& actions) {
    Buffers buffers(batch);
    for (const uint8_t action : actions) {
      buffers.actions[0] = action;
      buffers.Step(batch);
    }
    return buffers;
  }

  static double MeanSuccess(const std::string& id, const BatchPolicy& policy) {
    const auto batch = MakeBatch(id, {.size = 100, .seed = 5});
    return MeanMetric(*batch, policy, 40, "success");
  }
};

TEST_F(Echo, SoundsLikeThePicture) {
  const auto batch = At(3, 3);
  std::vector<int> tokens;
  std::string text = batch->Text(0);
  for (const uint8_t action : {0, 0, 0, 0, 3}) {
    uint8_t token = 0;
    batch->Observe(&token);
    tokens.push_back(token);
    Play(*batch, {action});
  }
  EXPECT_EQ(tokens, (std::vector<int>{4, 0, 0, 0, 1}));
  EXPECT_EQ(text + batch->Text(0), "heard c  said -\nheard ?  said c\n");
}

TEST_F(Echo, TheWordPaysAtTheQuestionAndOnlyThere) {
  const Buffers right = Play(*At(2, 1), {2, 2, 2});
  EXPECT_EQ(right.rewards[0], 1);
  EXPECT_TRUE(right.terminated[0]);
  const auto batch = At(2, 1);
  const Buffers wrong = Play(*batch, {2, 2, 3});
  EXPECT_EQ(wrong.rewards[0], 0);
  EXPECT_TRUE(wrong.terminated[0]);
  EXPECT_EQ(Metric(*batch, 0, "wrong_word"), 1);
  EXPECT_EQ(Metric(*batch, 0, "delay"), 1);
}

TEST_F(Echo, SilenceRunsOutOfTime) {
  const auto batch = At(2, 1, {{"patience", 2}});
  EXPECT_FALSE(Play(*batch, {0, 0, 0}).truncated[0]);
  EXPECT_TRUE(Play(*batch, {0}).truncated[0]);
  EXPECT_EQ(Metric(*batch, 0, "success") + Metric(*batch, 0, "wrong_word"), 0);
}

TEST_F(Echo, BadParametersAndLevelsAreRefused) {
  EXPECT_THAT(ErrorOf([] {
                MakeBatch("Echo-v0", {}, {{"delay_min", 30}});
              }),
              HasSubstr("delay_max is 20; allowed: >= delay_min, 30"));
  EXPECT_THAT(ErrorOf([] { At(5, 1); }), HasSubstr("word is 5; allowed: integers 1..4"));
  EXPECT_THAT(ErrorOf([] { At(1, 21); }), HasSubstr("delay is 21"));
}

// The statement of its table, 4,000 episodes: four standard errors of room.
TEST_F(Echo, ScoresAreThoseStated) {
  const Scores& scores = Find("Echo-v0").scores;
  EXPECT_EQ(MeanSuccess("Echo-v0", OraclePolicy()), scores.oracle);
  EXPECT_NEAR(MeanSuccess("Echo-v0", MemorylessPolicy(1)), scores.memoryless, 4 * StandardError(0.25, 4000));
  EXPECT_NEAR(MeanSuccess("Echo-v0", RandomPolicy(1)), scores.random, 4 * StandardError(0.25, 4000));
  EXPECT_NEAR(scores.random, (1 - std::pow(1 / 5.0, 4)) / 4, 1e-9);
}

TEST_F(Echo, MemoryIsNeededUpToTheStatedHorizon) {
  for (const char* id : {"Echo-v0", "Echo-Long-v0"}) {
    const auto params = Find(id).make_params();
    EXPECT_EQ(params->Get("delay_max").get<int>() + 1, Find(id).horizon) << id;
  }
}

}  // namespace
}  // namespace lethe::envs
