#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "envs/golden.h"
#include "envs/grid.h"
#include "tests/envs/levels.h"

namespace lethe::envs {
namespace {

using ::testing::HasSubstr;

// That of the rules: blue sign, keys red above and blue below, doors the other way round; n = 4.
const Json kLevel = {{"sign", 2}, {"keys", {1, 2}}, {"doors", {2, 1}}, {"balls", {0, 1, 0, 0, 0,  //
                                                                                  0, 0, 0, 2, 0,  //
                                                                                  0, 0, 0, 0, 0,  //
                                                                                  0, 0, 0, 0, 0,  //
                                                                                  2, 0, 0, 0, 0}}};

std::unique_ptr<EnvBatch> Example(Changes changes = {}, Json level = kLevel) {
  changes.insert(changes.begin(), {{"length", 4}, {"balls", 3}, {"delay", 4}});
  return AtLevel("KeyDoor-v0", level, changes);
}

TEST(KeyDoor, LooksLikeThePicture) {
  const auto batch = Example();
  EXPECT_EQ(batch->Text(0),
            "room 1\n"
            "####r#\n"
            "b@...#\n"
            "####b#\n");
  PlayActions(*batch, Moves("rrrd"));
  EXPECT_EQ(batch->Text(0),
            "room 2\n"
            "#######\n"
            "#.r...#\n"
            "#...b.#\n"
            "#..@..#\n"
            "#.....#\n"
            "#b....#\n"
            "#######\n");
  PlayActions(*batch, Moves("urll"));
  EXPECT_EQ(batch->Text(0),
            "room 3\n"
            "####B#\n"
            "#@...#\n"
            "####R#\n");
  PlayActions(*batch, Moves("rrru"));
  EXPECT_EQ(batch->Text(0),
            "room 3\n"
            "####@#\n"
            "#....#\n"
            "####R#\n");
}

TEST(KeyDoor, TheViewShowsWhatIsThere) {
  const auto batch = Example();
  EXPECT_EQ(Observation(*batch), (std::vector<uint8_t>{kWall, 0, kWall, 0, kWall, 0,      //
                                                       kSignal, 2, kFloor, 0, kFloor, 0,  //
                                                       kWall, 0, kWall, 0, kWall, 0}));
  EXPECT_EQ(PlayActions(*batch, Moves("rrr")).observations, (std::vector<uint8_t>{kWall, 0, kKey, 1, kWall, 0,     //
                                                                                  kFloor, 0, kFloor, 0, kWall, 0,  //
                                                                                  kWall, 0, kKey, 2, kWall, 0}));
  EXPECT_EQ(PlayActions(*batch, Moves("u")).observations, (std::vector<uint8_t>{kFloor, 0, kFloor, 0, kBall, 2,   //
                                                                                kFloor, 0, kFloor, 0, kFloor, 0,  //
                                                                                kFloor, 0, kFloor, 0, kFloor, 0}));
  EXPECT_EQ(PlayActions(*batch, Moves("uull")).observations, (std::vector<uint8_t>{kWall, 0, kWall, 0, kWall, 0,    //
                                                                                   kWall, 0, kFloor, 0, kFloor, 0,  //
                                                                                   kWall, 0, kWall, 0, kWall, 0}));
  EXPECT_EQ(PlayActions(*batch, Moves("rrru")).observations,
            (std::vector<uint8_t>{kOutside, 0, kOutside, 0, kOutside, 0,  //
                                  kWall, 0, kDoor, 2, kWall, 0,           //
                                  kFloor, 0, kFloor, 0, kWall, 0}));
}

TEST(KeyDoor, AWideViewSeesBeyondTheWalls) {
  const auto batch = Example({{"view", 7}, {"length", 5}});
  const auto tokens = Observation(*batch);
  EXPECT_EQ(tokens.size(), 98u);
  EXPECT_EQ(tokens[0], kOutside);                // (-2, -2)
  EXPECT_EQ(tokens[2 * (2 * 7 + 2)], kWall);     // (0, 0)
  EXPECT_EQ(tokens[2 * (3 * 7 + 2)], kSignal);   // (1, 0)
  EXPECT_EQ(tokens[2 * (3 * 7 + 1)], kOutside);  // (1, -1)
  EXPECT_EQ(tokens[2 * (2 * 7 + 6)], kWall);     // (0, 4)
  EXPECT_EQ(batch->spec().tokens[0].vocabulary, kKey + 1);
  EXPECT_EQ(batch->spec().tokens[1].vocabulary, kNumColors);
}

TEST(KeyDoor, RightKeyAndRightDoorPayOne) {
  const auto batch = Example();
  EXPECT_EQ(PlayActions(*batch, Moves("rrrd")).rewards[0], 0);
  const Buffers last = PlayActions(*batch, Moves("uuuurrru"));
  EXPECT_EQ(last.rewards[0], 1);
  EXPECT_TRUE(last.terminated[0]);
  EXPECT_EQ(Metric(*batch, 0, "success"), 1);
  EXPECT_EQ(Metric(*batch, 0, "right_key"), 1);
  EXPECT_EQ(Metric(*batch, 0, "steps"), 12);
}

TEST(KeyDoor, AnythingElsePaysWrongRewardAndEnds) {
  for (const auto& [key, door] : {std::pair("u", "u"), std::pair("u", "d"), std::pair("d", "d")}) {
    const auto batch = Example({{"wrong_reward", -0.5}, {"step_cost", 0.125}});
    EXPECT_EQ(PlayActions(*batch, Moves(std::string("rrr") + key)).rewards[0], -0.125f);
    const Buffers last = PlayActions(*batch, Moves(std::string("uuuurrr") + door));
    EXPECT_EQ(last.rewards[0], -0.625f);
    EXPECT_TRUE(last.terminated[0]);
    EXPECT_EQ(Metric(*batch, 0, "success"), 0);
    EXPECT_EQ(Metric(*batch, 0, "right_key"), key == std::string("d"));
  }
}

TEST(KeyDoor, ABallIsTakenOnce) {
  const auto batch = Example({{"distract_reward", 0.25}, {"delay", 20}});
  PlayActions(*batch, Moves("rrru"));
  EXPECT_EQ(PlayActions(*batch, Moves("u")).rewards[0], 0);
  EXPECT_EQ(PlayActions(*batch, Moves("r")).rewards[0], 0.25f);
  EXPECT_EQ(PlayActions(*batch, Moves("l")).rewards[0], 0);
  EXPECT_EQ(PlayActions(*batch, Moves("r")).rewards[0], 0);
  EXPECT_EQ(batch->Text(0),
            "room 2\n"
            "#######\n"
            "#.r...#\n"
            "#...@.#\n"
            "#.....#\n"
            "#.....#\n"
            "#b....#\n"
            "#######\n");
  EXPECT_EQ(Json::parse(batch->LevelJson(0))["balls"], kLevel["balls"]);
  PlayActions(*batch, Moves("ulllddddl"
                            "uuuuuuu"
                            "rrru"));
  EXPECT_EQ(Metric(*batch, 0, "balls"), 3);
}

TEST(KeyDoor, ABallOfTheLastStepCounts) {
  const auto batch = Example({{"distract_reward", 0.25}, {"delay", 2}});
  PlayActions(*batch, Moves("rrruu"));
  EXPECT_EQ(PlayActions(*batch, Moves("r")).rewards[0], 0.25f);
  EXPECT_THAT(batch->Text(0), HasSubstr("room 3"));
}

TEST(KeyDoor, WallsAndTheSignStop) {
  const auto batch = Example({{"delay", 20}});
  const std::string start = batch->Text(0);
  PlayActions(*batch, Moves("lud"));
  EXPECT_EQ(batch->Text(0), start);
  PlayActions(*batch, Moves("rrrrrd"));
  PlayActions(*batch, Moves("ddddrrrr"));
  EXPECT_THAT(batch->Text(0), HasSubstr("#b...@#\n#######"));
}

TEST(KeyDoor, TheClockRunsOut) {
  const auto batch = Example({{"limit_scale", 1}, {"limit_offset", 3}});
  EXPECT_FALSE(PlayActions(*batch, Moves(std::string(14, 'l'))).truncated[0]);
  EXPECT_TRUE(PlayActions(*batch, Moves("l")).truncated[0]);  // 2 * 4 + 3 + 4
  EXPECT_EQ(Metric(*batch, 0, "right_key"), 0);
}

// Whatever key was taken under whatever sign: from then on the same actions show the same.
TEST(KeyDoor, NothingAfterTheKeyTellsKeyOrSign) {
  Json other = kLevel;
  other["sign"] = 1;
  const auto a = Example({{"delay", 30}}), b = Example({{"delay", 30}}, other);
  EXPECT_NE(Observation(*a), Observation(*b));
  PlayActions(*a, Moves("rrru"));
  PlayActions(*b, Moves("rrrd"));
  Stream random(1, Purpose::kTrain, 0, 0);
  for (int t = 0; t < 40; ++t) {
    EXPECT_EQ(Observation(*a), Observation(*b));
    EXPECT_FALSE(a->IsCue(0) || b->IsCue(0));
    const auto action = static_cast<uint8_t>(t < 32 ? random.Below(4) : uint32_t{kRight});
    PlayActions(*a, {action});
    PlayActions(*b, {action});
  }
}

TEST(KeyDoor, TheSignIsACueWhileInView) {
  const auto batch = Example({{"view", 5}});
  EXPECT_TRUE(batch->IsCue(0));
  PlayActions(*batch, Moves("r"));
  EXPECT_TRUE(batch->IsCue(0));
  PlayActions(*batch, Moves("r"));
  EXPECT_FALSE(batch->IsCue(0));
}

TEST(KeyDoor, BadLevelsAndParametersAreRefused) {
  const auto batch = Example();
  EXPECT_THAT(ErrorOfLevelWith(*batch, "/sign", 3), HasSubstr("sign is 3; allowed: integers 1..2"));
  EXPECT_THAT(ErrorOfLevelWith(*batch, "/keys", {1, 1}), HasSubstr("keys is [1,1]; allowed: a permutation of 1..2"));
  EXPECT_THAT(ErrorOfLevelWith(*batch, "/doors", {1}), HasSubstr("doors is [1]"));
  EXPECT_THAT(ErrorOfLevelWith(*batch, "/doors/1", 3), HasSubstr("doors[1] is 3"));
  EXPECT_THAT(ErrorOfLevelWith(*batch, "/balls", {1, 2}), HasSubstr("balls is [1,2]; allowed: a list of 25"));
  EXPECT_THAT(ErrorOfLevelWith(*batch, "/balls/0", 1), HasSubstr("balls has 4 balls; allowed: 3"));
  EXPECT_THAT(ErrorOfLevelWith(*batch, "/balls/0", 3), HasSubstr("balls[0] is 3; allowed: integers 0..2"));
  EXPECT_THAT(ErrorOfLevelWith(*batch, "/balls/12", 1), HasSubstr("balls[12] is 1; allowed: integers 0..0"));
  EXPECT_THAT(ErrorOfParams("KeyDoor-v0", {{"view", 11}}),
              HasSubstr("length is 5; allowed with 2 colors and view 11: >= 6"));
  EXPECT_THAT(ErrorOfParams("KeyDoor-v0", {{"balls", 25}}), HasSubstr("balls is 25; allowed with room_size 5: 0..24"));
  EXPECT_THAT(ErrorOfParams("KeyDoor-v0", {{"room_size", 4}}), HasSubstr("room_size is 4"));
  EXPECT_THAT(ErrorOfParams("KeyDoor-v0", {{"delay", 0}}), HasSubstr("delay is 0"));
}

// An episode keeps the delay it began with.
TEST(KeyDoor, TheCurriculumTakesEffectAtTheNextEpisode) {
  const auto batch = Example();
  batch->SetCurriculum(1);
  PlayActions(*batch, Moves("rrrduuu"));
  EXPECT_THAT(batch->Text(0), HasSubstr("room 2"));
  PlayActions(*batch, Moves("u"));
  EXPECT_THAT(batch->Text(0), HasSubstr("room 3"));
}

TEST(KeyDoor, TheHorizonIsThatOfKeyAndDoorInTheLastColumn) {
  for (const char* id : {"KeyDoor-v0", "KeyDoor-Short-v0", "KeyDoor-Long-v0"}) {
    std::vector<int> balls(25);
    std::fill_n(balls.begin(), 8, 1);
    const auto batch = AtLevel(id, {{"sign", 2}, {"keys", {1, 2}}, {"doors", {2, 1}}, {"balls", balls}});
    EXPECT_EQ(StepsFromCueToEnd(*batch), Find(id).horizon) << id;
    EXPECT_EQ(Metric(*batch, 0, "success"), 1);
  }
}

TEST(KeyDoor, TheOracleFindsEverySlot) {
  const auto batch = MakeBatch("KeyDoor-Short-v0", {.size = 200, .seed = 5}, {{"colors", 8}, {"distract_reward", 0.5}});
  EXPECT_EQ(MeanMetric(*batch, OraclePolicy(), 2, "success"), 1);
}

TEST(KeyDoor, RedKeyRedDoorReachesTheBoundWithMoreColors) {
  constexpr int kLevels = 4'000;
  for (const int colors : {3, 8}) {
    const auto batch = MakeBatch("KeyDoor-Short-v0", {.size = kLevels, .seed = 5}, {{"colors", colors}});
    EXPECT_NEAR(MeanMetric(*batch, MemorylessPolicy(1), 1, "success"), 1.0 / colors,
                4 * StandardError(1.0 / colors, kLevels));
  }
}

// Chance that random actions leave a corridor with two slots at step 1, 2, .. `limit`.
std::vector<double> ChanceToLeave(int length, int limit) {
  std::vector<double> chance(length + 1), next(length + 1), leaves(limit + 1);
  chance[1] = 1;
  for (int t = 1; t <= limit; ++t) {
    std::ranges::fill(next, 0);
    for (int column = 1; column <= length; ++column) {
      next[std::max(column - 1, 1)] += chance[column] / 4;
      next[std::min(column + 1, length)] += chance[column] / 4;
      (column == length ? leaves[t] : next[column]) += chance[column] / 2;
    }
    chance.swap(next);
  }
  return leaves;
}

TEST(KeyDoor, RandomScoresAreExact) {
  for (const char* id : {"KeyDoor-v0", "KeyDoor-Short-v0", "KeyDoor-Long-v0"}) {
    const int length = Find(id).make_params()->Get("length").get<int>();
    const int limit = 2 * 4 * length + 20;  // beside the delay
    const auto leaves = ChanceToLeave(length, limit);
    double opens = 0;
    for (int first = 1; first <= limit; ++first) {
      for (int second = 1; first + second <= limit; ++second) opens += leaves[first] * leaves[second];
    }
    EXPECT_NEAR(Find(id).scores.random, opens / 4, 5e-6) << id;
  }
}

TEST(KeyDoor, ScoresAreAsStated) {
  ExpectStatedScores("KeyDoor-v0", 4'000, 1);
  ExpectStatedScores("KeyDoor-Short-v0", 4'000, 1);
  ExpectStatedScores("KeyDoor-Long-v0", 1'000, 1);
}

TEST(KeyDoor, GoldenEpisodesMatch) {
  const ReplayReport report = ReplayFile(LETHE_TEST_DATA "/golden/key_door.jsonl");
  EXPECT_EQ(report.first_difference, "");
  EXPECT_EQ(report.matched, 5);
}

}  // namespace
}  // namespace lethe::envs
