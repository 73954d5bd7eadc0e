#include <chrono>
#include <cmath>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "envs/sequence/collision_frame.h"
#include "tests/envs/play.h"
#include "tests/envs/sequence/streams.h"

namespace lethe::envs::sequence {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kFrames = 1'000'000;

Row LongRow(const std::string& id) {
  const auto stream = MakeStream(id, {.steps = kFrames * kFrameTokens}, {{"train_frames", kFrames}});
  return ReadRows(*stream, 1)[0];
}

// Facts about a row, read off its tokens alone.
struct Facts {
  int64_t crossings = 0;
  int64_t questions_of_present_colours = 0;
  int64_t questions_of_latest_crossing = 0;
  int64_t wrong_labels = 0;
  int64_t unlabelled = 0;
  int64_t recoloured = 0;
  std::map<int, int64_t> quarters;
  std::vector<int64_t> ages;  // of asked crossings, in frames
};

Facts Read(const Row& row, int grid = 16) {
  struct Crossing {
    int label = 0;
    int64_t frame = 0;
  };
  Facts facts;
  std::map<std::pair<int, int>, Crossing> record;
  std::pair<int, int> latest{-1, -1}, before{-1, -1};
  for (int64_t frame = 0; frame < static_cast<int64_t>(row.tokens.size()) / kFrameTokens; ++frame) {
    const uint8_t* token = &row.tokens[frame * kFrameTokens];
    const std::pair<int, int> colours{token[2] - 32, token[5] - 32}, asked{token[6] - 37, token[7] - 37};
    facts.recoloured += before.first >= 0 && colours.first != before.first;
    before = colours;
    if (token[0] == token[3] && token[1] == token[4]) {
      ++facts.crossings;
      latest = colours;
      record[colours] = {1 + 2 * (token[0] >= grid / 2) + (token[1] - 16 >= grid / 2), frame};
    }
    facts.questions_of_present_colours += asked == colours;
    facts.questions_of_latest_crossing += asked == latest;
    const int label = row.labels[(frame + 1) * kFrameTokens - 1];
    facts.wrong_labels += label != (record.contains(asked) ? record[asked].label : 0);
    facts.unlabelled += label == 0;
    ++facts.quarters[label];
    if (label != 0) facts.ages.push_back(frame - record[asked].frame);
  }
  std::ranges::sort(facts.ages);
  return facts;
}

TEST(ObjectCollision, TokensAndLabelsFollowTheRules) {
  const Row row = LongRow("ObjectCollision-v0");
  const int lo[] = {0, 16, 32, 0, 16, 32, 37, 37}, hi[] = {15, 31, 36, 15, 31, 36, 41, 41};
  int64_t outside = 0, scored_elsewhere = 0;
  for (size_t i = 0; i < row.tokens.size(); ++i) {
    outside += row.tokens[i] < lo[i % 8] || row.tokens[i] > hi[i % 8];
    scored_elsewhere += i % 8 != 7 && (row.scored[i] || row.labels[i]);
    EXPECT_EQ(row.scored[i], row.labels[i] != 0);
    EXPECT_EQ(row.episode_start[i], i == 0);
  }
  EXPECT_EQ(outside, 0);
  EXPECT_EQ(scored_elsewhere, 0);
  EXPECT_EQ(Read(row).wrong_labels, 0);
}

TEST(ObjectCollision, SmallGridsFollowTheSameRules) {
  const auto stream = MakeStream("ObjectCollision-Last-v0", {.steps = 100'000 * kFrameTokens},
                                 {{"train_frames", 100'000}, {"grid", 5}, {"colours", 3}});
  const Row row = ReadRows(*stream, 1)[0];
  const int lo[] = {0, 16, 32, 0, 16, 32, 37, 37}, hi[] = {4, 20, 34, 4, 20, 34, 39, 39};
  std::map<int, std::pair<int, int>> seen;
  for (size_t i = 0; i < row.tokens.size(); ++i) {
    auto [at, is_new] = seen.try_emplace(static_cast<int>(i % 8), row.tokens[i], row.tokens[i]);
    at->second = {std::min<int>(at->second.first, row.tokens[i]), std::max<int>(at->second.second, row.tokens[i])};
  }
  for (int i = 0; i < 8; ++i) EXPECT_EQ(seen[i], std::pair(lo[i], hi[i])) << "token " << i;
  const Facts facts = Read(row, 5);
  EXPECT_EQ(facts.wrong_labels, 0);
  EXPECT_GT(facts.crossings, 3000) << "far more than in a large grid";
  EXPECT_NEAR(static_cast<double>(facts.questions_of_latest_crossing) / 100'000, 0.4 + 0.6 / 9, 0.01);
}

TEST(ObjectCollision, RatesAreThoseOfThePublishedGenerator) {
  const Facts facts = Read(LongRow("ObjectCollision-v0"));
  const double frames = kFrames;
  EXPECT_NEAR(facts.crossings / frames, 0.0041, 0.0002);
  EXPECT_NEAR(facts.recoloured / frames, 0.05 * 4 / 5, 0.001);
  EXPECT_NEAR(facts.questions_of_present_colours / frames, 0.4 + 0.6 / 25, 0.003);
  EXPECT_LT(facts.unlabelled / frames, 0.03);  // the pairs that have not met yet
  for (const int quarter : {1, 2, 3, 4})
    EXPECT_NEAR(facts.quarters.at(quarter) / frames, 0.25, 0.05) << quarter;  // 2,000 meetings count
  const auto median = static_cast<double>(facts.ages[facts.ages.size() / 2]);
  EXPECT_NEAR(median, 7'000, 500);
}

TEST(ObjectCollision, EasyQuestionsOfLastAskForTheLatestCrossing) {
  const Facts facts = Read(LongRow("ObjectCollision-Last-v0"));
  EXPECT_EQ(facts.wrong_labels, 0);
  EXPECT_NEAR(facts.questions_of_latest_crossing / static_cast<double>(kFrames), 0.4 + 0.6 / 25, 0.003);
}

TEST(ObjectCollision, ParticlesStayInsideAndMoveByHalfACellOrSo) {
  const Row row = LongRow("ObjectCollision-v0");
  double squared = 0;
  for (int64_t frame = 1; frame < kFrames; ++frame) {
    const int step = row.tokens[frame * 8] - row.tokens[(frame - 1) * 8];
    squared += step * step;
  }
  // By a simulation with another program: 0.26; 0.64 if velocities had a standard deviation of 1.
  EXPECT_NEAR(squared / kFrames, 0.26, 0.01);
}

// One row of 300 frames, and the same frames as three rows.
TEST(ObjectCollision, RowsAreCutFromOneStream) {
  const auto read = [](Split split, int rows, int64_t steps) {
    return ReadRows(*MakeStream("ObjectCollision-v0", {.split = split, .rows = rows, .steps = steps},
                                {{"train_frames", 300}, {"valid_frames", 301}}),
                    split == Split::kTrain ? 800 / static_cast<int>(steps) : 1 << 30);
  };
  const Row whole = read(Split::kTrain, 1, 800 * 3 / 3)[0];
  EXPECT_EQ(read(Split::kTrain, 3, 800)[0].tokens, whole.tokens);
  EXPECT_EQ(read(Split::kTrain, 3, 32)[0].tokens, whole.tokens);  // blocks of whole and of broken frames
  EXPECT_EQ(read(Split::kTrain, 3, 5)[0].tokens, whole.tokens);

  const Row valid = read(Split::kValid, 1, 9)[0];
  const auto cut = read(Split::kValid, 3, 7);  // 101, 101 and 99 frames
  size_t scored = 0;
  std::vector<uint8_t> joined;
  for (int row = 0; row < 3; ++row) {
    const size_t tokens = 8 * (row < 2 ? 101 : 99);
    joined.insert(joined.end(), cut[row].tokens.begin(), cut[row].tokens.begin() + tokens);
    scored += std::count(cut[row].scored.begin(), cut[row].scored.end(), 1);
    EXPECT_EQ(std::count(cut[row].scored.begin() + tokens, cut[row].scored.end(), 1), 0);
  }
  EXPECT_EQ(joined, std::vector(valid.tokens.begin(), valid.tokens.begin() + 8 * 301));
  EXPECT_EQ(scored, std::count(valid.scored.begin(), valid.scored.end(), 1));
}

TEST(ObjectCollision, ATrainingPassBeginsAgain) {
  const auto stream = MakeStream("ObjectCollision-v0", {.rows = 2, .steps = 64}, {{"train_frames", 50}});
  for (const Row& row : ReadRows(*stream, 6)) {  // 25 frames a row: three blocks of eight
    const std::vector first(row.tokens.begin(), row.tokens.begin() + 192),
        second(row.tokens.begin() + 192, row.tokens.end());
    EXPECT_EQ(first, second);
    EXPECT_EQ(row.episode_start[192], 1);
    EXPECT_EQ(std::count(row.episode_start.begin(), row.episode_start.end(), 1), 2);
  }
}

TEST(ObjectCollision, SplitsDiffer) {
  const auto read = [](Split split) {
    return ReadRows(*MakeStream("ObjectCollision-v0", {.split = split, .steps = 800},
                                {{"train_frames", 100}, {"valid_frames", 100}, {"test_frames", 100}}),
                    1)[0]
        .tokens;
  };
  EXPECT_NE(read(Split::kTrain), read(Split::kValid));
  EXPECT_NE(read(Split::kValid), read(Split::kTest));
}

TEST(ObjectCollision, TooFewFramesSayWhatIsNeeded) {
  EXPECT_THAT(ErrorOf([] {
                MakeStream("ObjectCollision-v0", {.rows = 8, .steps = 64}, {{"train_frames", 63}});
              }),
              HasSubstr("train_frames is 63, which gives each of 8 rows 56 tokens; needed: 64, a block"));
}

TEST(ObjectCollision, GeneratesMillionsOfTokensPerSecond) {
  const auto stream = MakeStream("ObjectCollision-v0", {.rows = 16, .steps = 512}, {{"train_frames", 100'000}});
  Block block(stream->options());
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 60; ++i) stream->Next(block.out());
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  const double rate = 60 * 16 * 512 / seconds.count();
  RecordProperty("tokens_per_s", std::to_string(rate));
#ifdef NDEBUG
  EXPECT_GT(rate, 5e6);
#endif
}

TEST(CollisionFrame, CellsRoundToTheNearestTiesToEven) {
  EXPECT_EQ(CellOf(0.5), 0);
  EXPECT_EQ(CellOf(1.5), 2);
  EXPECT_EQ(CellOf(2.5), 2);
  EXPECT_EQ(CellOf(14.51), 15);
}

}  // namespace
}  // namespace lethe::envs::sequence
