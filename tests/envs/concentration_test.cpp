#include <cmath>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "envs/golden.h"
#include "tests/envs/levels.h"

namespace lethe::envs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::vector<std::string> kIds = {"Concentration-v0", "Concentration-Short-v0", "Concentration-Long-v0"};

std::unique_ptr<EnvBatch> At(const std::vector<int>& labels, Changes changes = {}) {
  changes.push_back({"pairs", labels.size() / 2});
  return AtLevel("Concentration-v0", {{"labels", labels}}, changes);
}

TEST(Concentration, ATryHasThreeSteps) {
  const auto batch = At({2, 3, 1, 3, 1, 2});
  EXPECT_THAT(Observation(*batch), ElementsAre(0, 0, 0, 0, 0, 0));
  EXPECT_FALSE(batch->IsCue(0));
  EXPECT_THAT(PlayActions(*batch, {1}).observations, ElementsAre(0, 3, 0, 0, 0, 0));
  EXPECT_TRUE(batch->IsCue(0));
  EXPECT_THAT(PlayActions(*batch, {4}).observations, ElementsAre(0, 3, 0, 0, 1, 0));
  EXPECT_TRUE(batch->IsCue(0));
  EXPECT_THAT(PlayActions(*batch, {2}).observations, ElementsAre(0, 0, 0, 0, 0, 0));
  EXPECT_THAT(PlayActions(*batch, {0}).observations, ElementsAre(2, 0, 0, 0, 0, 0));
}

TEST(Concentration, LooksLikeThePicture) {
  const auto batch = At({2, 3, 1, 3, 1, 2});
  EXPECT_EQ(batch->Text(0), "  #  #  #  #  #  #\n");
  PlayActions(*batch, {1, 4});
  EXPECT_EQ(batch->Text(0), "  #  3  #  #  1  #\n");
  std::vector<int> labels(16);
  for (int i = 0; i < 16; ++i) labels[i] = i % 8 + 1;
  const auto two_rows = At(labels);
  PlayActions(*two_rows, {3, 11});
  EXPECT_EQ(two_rows->Text(0), "  #  #  #  4  #  #  #  #\n  #  #  #  4  #  #  #  #\n");
}

TEST(Concentration, APairPaysOnceAndIsTurnedDownAgain) {
  const auto batch = At({2, 3, 1, 3, 1, 2}, {{"step_cost", 0.25}});
  EXPECT_EQ(PlayActions(*batch, {1}).rewards[0], -0.25f);
  EXPECT_FLOAT_EQ(PlayActions(*batch, {3}).rewards[0], 1.0f / 3 - 0.25f);
  EXPECT_THAT(PlayActions(*batch, {0}).observations, ElementsAre(0, 0, 0, 0, 0, 0));
  EXPECT_EQ(PlayActions(*batch, {3, 1}).rewards[0], -0.25f);
}

TEST(Concentration, OtherLabelsAndTheSameCardTwiceFail) {
  const auto batch = At({2, 3, 1, 3, 1, 2});
  EXPECT_EQ(PlayActions(*batch, {0, 1}).rewards[0], 0);
  PlayActions(*batch, {0});
  const Buffers same = PlayActions(*batch, {2, 2});
  EXPECT_EQ(same.rewards[0], 0);
  EXPECT_THAT(same.observations, ElementsAre(0, 0, 1, 0, 0, 0));
  EXPECT_THAT(PlayActions(*batch, {0}).observations, ElementsAre(0, 0, 0, 0, 0, 0));
}

TEST(Concentration, TerminatesWhenAllPairsAreFound) {
  const auto batch = At({2, 1, 1, 2});
  const Buffers last = PlayActions(*batch, {0, 3, 0, 1, 2});
  EXPECT_TRUE(last.terminated[0]);
  EXPECT_THAT(last.observations, ElementsAre(0, 1, 1, 0));
  EXPECT_EQ(last.rewards[0], 0.5f);
  EXPECT_EQ(Metric(*batch, 0, "pairs_found"), 1);
  EXPECT_EQ(Metric(*batch, 0, "tries"), 2);
  EXPECT_EQ(Metric(*batch, 0, "steps"), 5);
}

TEST(Concentration, TerminatesAtTheLastTry) {
  const auto batch = At({2, 1, 1, 2}, {{"tries", 2}});
  PlayActions(*batch, {0, 3, 0, 1});
  const Buffers last = PlayActions(*batch, {0});
  EXPECT_TRUE(last.terminated[0]);
  EXPECT_FALSE(last.truncated[0]);
  EXPECT_EQ(Metric(*batch, 0, "pairs_found"), 0.5f);
  EXPECT_EQ(Metric(*batch, 0, "tries"), 2);
  EXPECT_EQ(Metric(*batch, 0, "steps"), 5);
}

TEST(Concentration, ByDefaultThereAreTwiceAsManyTriesAsPairs) {
  const auto batch = At({2, 1, 1, 2});
  for (int t = 0; t < 10; ++t) EXPECT_FALSE(PlayActions(*batch, {0}).ended(0));
  EXPECT_TRUE(PlayActions(*batch, {0}).terminated[0]);
  EXPECT_EQ(Metric(*batch, 0, "tries"), 4);
}

TEST(Concentration, BadLevelsAndParametersAreRefused) {
  const auto batch = At({2, 1, 1, 2});
  EXPECT_THAT(ErrorOfLevelWith(*batch, "/labels", {1, 1}), HasSubstr("labels is [1,1]; allowed: each of 1..2 twice"));
  EXPECT_THAT(ErrorOfLevelWith(*batch, "/labels", {1, 1, 1, 2}), HasSubstr("labels is [1,1,1,2]"));
  EXPECT_THAT(ErrorOfLevelWith(*batch, "/labels/3", 3), HasSubstr("labels[3] is 3; allowed: integers 1..2"));
  EXPECT_THAT(ErrorOfLevelWith(*batch, "/labels", 5), HasSubstr("labels is 5"));
  EXPECT_THAT(ErrorOfParams("Concentration-v0", {{"pairs", 1}}), HasSubstr("pairs is 1; allowed: 2..64"));
  EXPECT_THAT(ErrorOfParams("Concentration-v0", {{"tries", -1}}), HasSubstr("tries is -1"));
  EXPECT_EQ(MakeBatch("Concentration-v0", {.size = 1}, {{"pairs", 64}})->spec().num_actions, 128);
}

// Lets the oracle play and gives the longest time from the last sight of a card to the decision to flip it again.
int64_t LongestMemory(EnvBatch& batch) {
  Buffers buffers(batch);
  std::vector<int64_t> last_seen(batch.num_tokens(), -1);
  int64_t longest = 0;
  batch.Observe(buffers.observations.data());
  for (int64_t t = 0; !buffers.ended(0); ++t) {
    for (int card = 0; card < batch.num_tokens(); ++card) {
      if (buffers.observations[card] != 0) last_seen[card] = t;
    }
    batch.Oracle(buffers.actions.data());
    const int64_t seen = last_seen[buffers.actions[0]];
    if (t % 3 != 2 && seen >= 0) longest = std::max(longest, t - seen);
    buffers.Step(batch);
  }
  return longest;
}

// Each failed try shows the partner of a card of the try before, and that of the very first card comes last.
std::vector<int> LongestGame(int pairs) {
  std::vector<int> labels = {1, 2};
  for (int label = 3; label <= pairs; ++label) labels.insert(labels.end(), {label, label - 1});
  labels.insert(labels.end(), {pairs, 1});
  return labels;
}

TEST(Concentration, TheHorizonIsThatOfTheLongestGame) {
  for (const std::string& id : kIds) {
    const int pairs = Find(id).make_params()->Get("pairs").get<int>();
    EXPECT_EQ(Find(id).horizon, 6 * pairs - 7);
    const auto batch = At(LongestGame(pairs));
    EXPECT_EQ(LongestMemory(*batch), Find(id).horizon);
    EXPECT_EQ(Metric(*batch, 0, "pairs_found"), 1);
    EXPECT_EQ(Metric(*batch, 0, "tries"), 2 * pairs - 1);
  }
}

// Every deal of three pairs, so that no other game is longer.
TEST(Concentration, TheOracleFindsAllPairsOfEveryDeal) {
  std::vector<int> labels = {1, 1, 2, 2, 3, 3};
  int64_t longest = 0;
  float most_tries = 0;
  do {
    const auto batch = At(labels);
    longest = std::max(longest, LongestMemory(*batch));
    ASSERT_EQ(Metric(*batch, 0, "pairs_found"), 1);
    most_tries = std::max(most_tries, Metric(*batch, 0, "tries"));
  } while (std::ranges::next_permutation(labels).found);
  EXPECT_EQ(longest, 6 * 3 - 7);
  EXPECT_EQ(most_tries, 5);
}

// Levels that differ only in cards that were not yet shown are played alike.
TEST(Concentration, TheOracleDoesNotPeek) {
  const auto a = At({1, 2, 3, 3, 1, 2}), b = At({1, 2, 2, 3, 3, 1});
  uint8_t action_a = 0, action_b = 0;
  for (int t = 0; t < 4; ++t) {
    a->Oracle(&action_a);
    b->Oracle(&action_b);
    EXPECT_EQ(action_a, action_b) << t;
    PlayActions(*a, {action_a});
    PlayActions(*b, {action_b});
  }
  a->Oracle(&action_a);
  EXPECT_EQ(action_a, 3);  // label 3 is new, so the next unseen card
  b->Oracle(&action_b);
  EXPECT_EQ(action_b, 1);  // label 2 was seen there
}

TEST(Concentration, TheOracleGoesOnFromAnyPlay) {
  const auto batch = At({1, 2, 1, 2});
  uint8_t action = 0;
  PlayActions(*batch, {0, 2, 0, 0});  // finds the pair, then flips one of it again
  batch->Oracle(&action);
  EXPECT_EQ(action, 1);  // nothing can be won, but a card be seen
  PlayActions(*batch, {3, 0});
  batch->Oracle(&action);
  EXPECT_EQ(action, 1);  // the only card not yet seen
  PlayActions(*batch, {1});
  batch->Oracle(&action);
  EXPECT_EQ(action, 3);
}

double ShareFound(int places, int tries) { return 1 - std::pow(1 - 1.0 / places, tries); }

TEST(Concentration, StatedScoresAreThoseOfTheFormulas) {
  for (const std::string& id : kIds) {
    const int n = Find(id).make_params()->Get("pairs").get<int>();
    EXPECT_NEAR(Find(id).scores.memoryless, ShareFound(n * (2 * n - 1), 2 * n), 5e-6) << id;
    EXPECT_NEAR(Find(id).scores.random, ShareFound(2 * n * n, 2 * n), 5e-6) << id;
  }
}

// The share found by a policy of tables p and q, over all deals of two pairs: exact, without the formula of the bound.
double ShareOfPolicy(const std::vector<double>& p, const std::vector<std::vector<std::vector<double>>>& q, int tries) {
  double sum = 0;
  int deals = 0;
  std::vector<int> labels = {0, 0, 1, 1};
  do {
    for (int label = 0; label < 2; ++label) {
      double found = 0;
      for (int i = 0; i < 4; ++i) {
        for (int j = 0; j < 4; ++j)
          found += i != j && labels[i] == label && labels[j] == label ? p[i] * q[i][label][j] : 0;
      }
      sum += (1 - std::pow(1 - found, tries)) / 2;
    }
    ++deals;
  } while (std::ranges::next_permutation(labels).found);
  return sum / deals;
}

std::vector<double> RandomDistribution(Stream& random) {
  std::vector<double> chances(4);
  for (double& chance : chances) chance = std::pow(random.Uniform(), 4);
  const double sum = std::accumulate(chances.begin(), chances.end(), 0.0);
  for (double& chance : chances) chance /= sum;
  return chances;
}

TEST(Concentration, NoTableOfChancesBeatsTheBound) {
  Stream random(6, Purpose::kTrain, 0, 0);
  const double bound = ShareFound(6, 4);
  for (int i = 0; i < 2'000; ++i) {
    std::vector<std::vector<std::vector<double>>> q(4, std::vector<std::vector<double>>(2));
    for (auto& of_card : q) {
      for (auto& chances : of_card) chances = RandomDistribution(random);
    }
    EXPECT_LE(ShareOfPolicy(RandomDistribution(random), q, 4), bound);
  }
  std::vector<std::vector<std::vector<double>>> uniform(
      4, std::vector<std::vector<double>>(2, {1 / 3., 1 / 3., 1 / 3., 1 / 3.}));
  for (int i = 0; i < 4; ++i) uniform[i][0][i] = uniform[i][1][i] = 0;
  EXPECT_NEAR(ShareOfPolicy({0.25, 0.25, 0.25, 0.25}, uniform, 4), bound, 1e-12);
}

TEST(Concentration, ScoresAreAsStated) {
  ExpectStatedScores("Concentration-v0", 4'000, 8);
  ExpectStatedScores("Concentration-Short-v0", 4'000, 4);
  ExpectStatedScores("Concentration-Long-v0", 1'000, 26);
}

TEST(Concentration, GoldenEpisodesMatch) {
  const ReplayReport report = ReplayFile(LETHE_TEST_DATA "/golden/concentration.jsonl");
  EXPECT_EQ(report.first_difference, "");
  EXPECT_EQ(report.matched, 5);
}

}  // namespace
}  // namespace lethe::envs
