#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "envs/grid.h"
#include "tests/envs/play.h"

namespace lethe::envs {
namespace {

using ::testing::HasSubstr;

// A batch of one, standing at the start of the given level.
std::unique_ptr<EnvBatch> At(int length, int cue, const std::vector<int>& doors, Changes changes = {}) {
  changes.push_back({"colors", doors.size()});
  const Entry& entry = Find("Corridor-v0");
  const auto params = entry.make_params();
  for (const Change& change : changes) params->Set(change.name, change.value);
  auto batch = entry.make_batch(*params, {.size = 1});
  const Json level = {{"env", "Corridor"}, {"version", 0}, {"params", params->ToJson()},
                      {"length", length},  {"cue", cue},   {"doors", doors}};
  batch->LoadLevel(0, level.dump());
  return batch;
}

// Plays "urdl" letters and gives the output of the last step.
Buffers Play(EnvBatch& batch, const std::string& moves) {
  Buffers buffers(batch);
  for (char move : moves) {
    buffers.actions[0] = static_cast<uint8_t>(std::string("urdl").find(move));
    buffers.Step(batch);
  }
  return buffers;
}

TEST(Corridor, LooksLikeThePicture) {
  const auto batch = At(4, 2, {1, 2});
  EXPECT_EQ(batch->Text(0),
            "####R#\n"
            "b@...#\n"
            "####B#\n");
  Play(*batch, "rrr");
  EXPECT_EQ(batch->Text(0),
            "####R#\n"
            "b...@#\n"
            "####B#\n");
  Play(*batch, "d");
  EXPECT_EQ(batch->Text(0),
            "####R#\n"
            "b....#\n"
            "####@#\n");
}

TEST(Corridor, MoreDoorsStandInPairsToTheLeft) {
  EXPECT_EQ(At(7, 5, {3, 1, 2, 5, 4}, {{"length_min", 4}})->Text(0),
            "#####YBG#\n"
            "p@......#\n"
            "######PR#\n");
}

TEST(Corridor, LongOnesShowTheFortyColumnsAroundTheAgent) {
  const auto batch = At(100, 1, {1, 2});
  const std::string wall(40, '#');
  EXPECT_EQ(batch->Text(0), wall + "\nr@" + std::string(38, '.') + "\n" + wall + "\n");
  Play(*batch, std::string(49, 'r'));
  EXPECT_EQ(batch->Text(0), wall + "\n" + std::string(20, '.') + "@" + std::string(19, '.') + "\n" + wall + "\n");
  Play(*batch, std::string(50, 'r'));
  const std::string top = std::string(38, '#') + "R#\n", bottom = std::string(38, '#') + "B#\n";
  EXPECT_EQ(batch->Text(0), top + std::string(38, '.') + "@#\n" + bottom);
}

TEST(Corridor, TheRightDoorPaysOne) {
  const auto batch = At(5, 1, {1, 2});
  const Buffers last = Play(*batch, "rrrru");
  EXPECT_EQ(last.rewards[0], 1);
  EXPECT_TRUE(last.terminated[0]);
  EXPECT_EQ(Metric(*batch, 0, "success"), 1);
  EXPECT_EQ(Metric(*batch, 0, "wrong_door"), 0);
  EXPECT_EQ(Metric(*batch, 0, "length"), 5);
  EXPECT_EQ(Metric(*batch, 0, "steps"), 5);
}

TEST(Corridor, AWrongDoorPaysWrongRewardLessStepCostAndEnds) {
  const auto batch = At(5, 1, {1, 2}, {{"wrong_reward", -0.5}, {"step_cost", 0.125}});
  EXPECT_EQ(Play(*batch, "rrrr").rewards[0], -0.125f);
  const Buffers last = Play(*batch, "d");
  EXPECT_EQ(last.rewards[0], -0.625f);
  EXPECT_TRUE(last.terminated[0]);
  EXPECT_EQ(Metric(*batch, 0, "success"), 0);
  EXPECT_EQ(Metric(*batch, 0, "wrong_door"), 1);
}

TEST(Corridor, WallsAndTheSignalCostAStepAndStop) {
  const auto batch = At(4, 2, {1, 2});
  const std::string start = batch->Text(0);
  Play(*batch, "lud");
  EXPECT_EQ(batch->Text(0), start);
  Play(*batch, "rrrrr");
  EXPECT_THAT(batch->Text(0), HasSubstr("b...@#"));
}

TEST(Corridor, TheClockRunsOutAfterScaleTimesLengthPlusOffset) {
  const auto batch = At(4, 2, {1, 2}, {{"limit_scale", 2}, {"limit_offset", 3}});
  EXPECT_FALSE(Play(*batch, std::string(10, 'l')).truncated[0]);
  const Buffers last = Play(*batch, "l");
  EXPECT_TRUE(last.truncated[0]);
  EXPECT_EQ(Metric(*batch, 0, "success") + Metric(*batch, 0, "wrong_door"), 0);
  EXPECT_EQ(Metric(*batch, 0, "steps"), 11);
}

TEST(Corridor, ADoorOnTheLastStepTerminates) {
  const auto batch = At(4, 1, {1, 2}, {{"max_steps", 4}});
  const Buffers last = Play(*batch, "rrru");
  EXPECT_TRUE(last.terminated[0]);
  EXPECT_FALSE(last.truncated[0]);
}

// The signal is last seen on the observation whose action leaves column view / 2; the door is chosen on the last one.
TEST(Corridor, MemoryIsNeededForLengthLessSlotColumnLessHalfView) {
  for (const int slot : {0, 1, 2, 3}) {
    const auto batch = At(9, slot + 1, {1, 2, 3, 4}, {{"view", 5}, {"length_min", 4}});
    Buffers buffers(*batch);
    int since_cue = 0;
    while (!buffers.ended(0)) {
      since_cue = batch->IsCue(0) ? 0 : since_cue + 1;
      batch->Oracle(buffers.actions.data());
      buffers.Step(*batch);
    }
    EXPECT_EQ(Metric(*batch, 0, "steps"), 9 - slot / 2);
    EXPECT_EQ(since_cue, 9 - slot / 2 - 2);
  }
}

TEST(Corridor, TheOracleComesBackFromBeyondItsDoor) {
  const auto batch = At(6, 3, {1, 2, 3}, {{"length_min", 4}});
  Play(*batch, "rrrrr");
  uint8_t action = 0;
  batch->Oracle(&action);
  EXPECT_EQ(action, kLeft);
}

TEST(Corridor, BadLevelsAreRefused) {
  EXPECT_THAT(ErrorOf([] { At(2, 1, {1, 2}); }), HasSubstr("length is 2; allowed: integers 3..200"));
  EXPECT_THAT(ErrorOf([] { At(201, 1, {1, 2}); }), HasSubstr("length is 201"));
  EXPECT_THAT(ErrorOf([] { At(5, 3, {1, 2}); }), HasSubstr("cue is 3; allowed: integers 1..2"));
  EXPECT_THAT(ErrorOf([] { At(5, 1, {1, 1}); }), HasSubstr("doors is [1,1]; allowed: a permutation of 1..2"));
  EXPECT_THAT(ErrorOf([] { At(5, 1, {1, 3}); }), HasSubstr("doors[1] is 3"));
}

// --- Stated scores.

std::vector<std::string> CorridorIds() {
  std::vector<std::string> ids = Ids();
  std::erase_if(ids, [](const std::string& id) { return Find(id).family != "Corridor"; });
  return ids;
}

class CorridorOracle : public ::testing::TestWithParam<std::string> {};

// One batch per level: in a common batch all would wait for the longest.
TEST_P(CorridorOracle, SolvesEveryLevel) {
  const std::string id = GetParam();
  const int levels = id == "Corridor-100k-v0" ? 8 : id == "Corridor-10k-v0" ? 100 : 1'000;  // at most some 10 M steps
  double successes = 0;
  for (int i = 0; i < levels; ++i) {
    const auto batch = MakeBatch(GetParam(), {.size = 1, .seed = 11, .first_index = static_cast<uint64_t>(i)});
    successes += MeanMetric(*batch, OraclePolicy(), 1, "success");
  }
  EXPECT_EQ(successes / levels, Find(GetParam()).scores.oracle);
}

INSTANTIATE_TEST_SUITE_P(Envs, CorridorOracle, ::testing::ValuesIn(CorridorIds()), TestNameOfId);

// "Walk right, then up": right while the cell to the right is floor, then up.
void RightThenUp(const EnvBatch& batch, Buffers& buffers) {
  for (int row = 0; row < batch.size(); ++row) {
    const uint8_t kind_to_the_right = buffers.observations[row * batch.num_tokens() + 2 * 5];
    buffers.actions[row] = kind_to_the_right == kFloor ? kRight : kUp;
  }
}

TEST(Corridor, WalkRightThenUpReachesTheMemorylessBound) {
  for (const char* id : {"Corridor-v0", "Corridor-Short-v0", "Corridor-4c-v0", "Corridor-8c-v0", "Corridor-1k-v0",
                         "Corridor-1k-Mix-v0"}) {
    constexpr int kLevels = 4'000;
    const auto batch = MakeBatch(id, {.size = kLevels, .seed = 12});
    const double bound = Find(id).scores.memoryless;
    EXPECT_NEAR(MeanMetric(*batch, RightThenUp, 1, "success"), bound, 4 * StandardError(bound, kLevels)) << id;
  }
}

void ExpectRandomScore(const std::string& id, int rows, int episodes) {
  const auto batch = MakeBatch(id, {.size = rows, .seed = 13});
  const double stated = Find(id).scores.random;
  EXPECT_NEAR(MeanMetric(*batch, RandomPolicy(2), episodes, "success"), stated,
              4 * StandardError(stated, rows * episodes))
      << id;
}

TEST(Corridor, RandomActionsScoreAsStated) {
  ExpectRandomScore("Corridor-v0", 1'000, 20);
  ExpectRandomScore("Corridor-Short-v0", 1'000, 20);
  ExpectRandomScore("Corridor-4c-v0", 1'000, 20);
  ExpectRandomScore("Corridor-8c-v0", 1'000, 20);
  ExpectRandomScore("Corridor-1k-Mix-v0", 1'000, 2);
}

}  // namespace
}  // namespace lethe::envs
