#include <cmath>
#include <map>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "envs/grid.h"
#include "tests/envs/play.h"

namespace lethe::envs {
namespace {

using ::testing::HasSubstr;

Json RoomOf(const std::vector<int>& door0, const std::vector<int>& door1, int right, const std::vector<int>& start) {
  return {{"doors", {door0, door1}}, {"right", right}, {"start", start}};
}

// A room of five with a red door on the left and a blue one on the right.
Json Room(int right) { return RoomOf({2, 0, 1}, {2, 4, 2}, right, {2, 2}); }

// A batch of one, standing at the start of the given rooms.
std::unique_ptr<EnvBatch> At(const std::vector<Json>& rooms, Changes changes = {}) {
  changes.push_back({"rooms", rooms.size()});
  const Entry& entry = Find("Portal-v0");
  const auto params = entry.make_params();
  for (const Change& change : changes) params->Set(change.name, change.value);
  auto batch = entry.make_batch(*params, {.size = 1});
  const Json level = {{"env", "Portal"}, {"version", 0}, {"params", params->ToJson()}, {"rooms", rooms}};
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

int RoomNumber(const Buffers& buffers) { return buffers.observations[18]; }  // with the default view

TEST(Portal, LooksLikeThePicture) {
  const auto batch = At({Room(1), Room(0)});
  EXPECT_EQ(batch->Text(0),
            "room 1\n"
            "#####\n"
            "#...#\n"
            "R.@.B\n"
            "#...#\n"
            "#####\n");
  Play(*batch, "lu");
  EXPECT_EQ(batch->Text(0),
            "room 1\n"
            "#####\n"
            "#@..#\n"
            "R...B\n"
            "#...#\n"
            "#####\n");
}

TEST(Portal, ObservesTheDoorsInViewAndTheNumberOfTheRoom) {
  const auto batch = At({Room(1), Room(0)});
  EXPECT_EQ(Play(*batch, "l").observations, (std::vector<uint8_t>{kWall, 0, kFloor, 0, kFloor, 0,  //
                                                                  kDoor, 1, kFloor, 0, kFloor, 0,  //
                                                                  kWall, 0, kFloor, 0, kFloor, 0, 1}));
  EXPECT_EQ(Play(*batch, "rru").observations, (std::vector<uint8_t>{kWall, 0, kWall, 0, kWall, 0,    //
                                                                    kFloor, 0, kFloor, 0, kWall, 0,  //
                                                                    kFloor, 0, kFloor, 0, kDoor, 2, 1}));
}

TEST(Portal, AWideViewShowsWhatIsOutside) {
  const auto batch = At({Room(1), Room(0)}, {{"view", 7}});
  Buffers buffers(*batch);
  batch->Observe(buffers.observations.data());
  EXPECT_EQ(buffers.observations[0], kOutside);
  EXPECT_EQ(buffers.observations[2 * (3 * 7 + 1)], kDoor);
  EXPECT_EQ(buffers.observations[2 * (3 * 7 + 1) + 1], 1);
  EXPECT_EQ(buffers.observations[2 * (3 * 7 + 5) + 1], 2);
  EXPECT_EQ(buffers.observations[2 * (5 * 7 + 5)], kWall);
}

TEST(Portal, TheNumberOfTheRoomCanBeHidden) {
  const auto batch = At({Room(1), Room(0)}, {{"show_room", false}});
  EXPECT_EQ(RoomNumber(Play(*batch, "rr")), 0);
  EXPECT_THAT(batch->Text(0), HasSubstr("room 2"));
}

TEST(Portal, WallsCostAStepAndStop) {
  const auto batch = At({Room(1), Room(0)});
  Play(*batch, "luuul");
  EXPECT_THAT(batch->Text(0), HasSubstr("#@..#"));
}

TEST(Portal, TheRightDoorLeadsOnAndPaysByTheNumberOfTheRoom) {
  const auto batch = At({Room(1), Room(0), Room(1)}, {{"step_cost", 0.01}});
  Buffers last = Play(*batch, "rr");
  EXPECT_FLOAT_EQ(last.rewards[0], 0.1 - 0.01);
  EXPECT_EQ(RoomNumber(last), 2);
  EXPECT_THAT(batch->Text(0), HasSubstr("R.@.B"));
  EXPECT_FLOAT_EQ(Play(*batch, "ll").rewards[0], 0.2 - 0.01);
  last = Play(*batch, "rr");
  EXPECT_FLOAT_EQ(last.rewards[0], 0.3 - 0.01);
  EXPECT_TRUE(last.terminated[0]);
  EXPECT_EQ(RoomNumber(last), 3);
  EXPECT_EQ(batch->Text(0),
            "room 3\n"
            "#####\n"
            "#...#\n"
            "R...@\n"
            "#...#\n"
            "#####\n");
  EXPECT_EQ(last.observations[8], kDoor);  // the agent's own cell
  EXPECT_EQ(last.observations[9], 2);
  for (const auto& [name, value] : {std::pair{"deepest_room", 3},
                                    {"success", 1},
                                    {"rooms_passed", 3},
                                    {"passes", 3},
                                    {"mistakes", 0},
                                    {"steps", 6}}) {
    EXPECT_EQ(Metric(*batch, 0, name), value) << name;
  }
}

TEST(Portal, AWrongDoorLeadsToRoomOneAndTheSecondInARoomEnds) {
  const auto batch = At({Room(1), Room(1), Room(1)}, {{"wrong_reward", -0.5}});
  Buffers last = Play(*batch, "rrll");
  EXPECT_EQ(last.rewards[0], -0.5f);
  EXPECT_FALSE(last.terminated[0]);
  EXPECT_EQ(RoomNumber(last), 1);
  last = Play(*batch, "ll");  // the first mistake in room 1
  EXPECT_FALSE(last.terminated[0]);
  EXPECT_EQ(RoomNumber(last), 1);
  last = Play(*batch, "rrll");
  EXPECT_TRUE(last.terminated[0]);
  EXPECT_EQ(last.rewards[0], -0.5f);
  EXPECT_EQ(RoomNumber(last), 2);
  EXPECT_THAT(batch->Text(0), HasSubstr("@...B"));
  for (const auto& [name, value] : {std::pair{"deepest_room", 2},
                                    {"success", 0},
                                    {"rooms_passed", 1},
                                    {"passes", 2},
                                    {"mistakes", 3},
                                    {"steps", 10}}) {
    EXPECT_EQ(Metric(*batch, 0, name), value) << name;
  }
}

TEST(Portal, APassDoesNotForgiveMistakes) {
  const auto batch = At({Room(1), Room(1)});
  EXPECT_TRUE(Play(*batch, "llrrllll").terminated[0]);  // wrong, right, wrong in room 2, wrong
}

TEST(Portal, MistakesCanBeUnlimited) {
  const auto batch = At({Room(1), Room(1)}, {{"mistake_limit", 0}, {"max_steps", 301}});
  const Buffers last = Play(*batch, std::string(301, 'l'));
  EXPECT_TRUE(last.truncated[0]);
  EXPECT_EQ(Metric(*batch, 0, "mistakes"), 150);
}

TEST(Portal, TheLimitOfMistakesCanBeOneOrMany) {
  EXPECT_TRUE(Play(*At({Room(1), Room(1)}, {{"mistake_limit", 1}}), "ll").terminated[0]);
  const auto batch = At({Room(1), Room(1)}, {{"mistake_limit", 300}, {"max_steps", 2'000}});
  EXPECT_FALSE(Play(*batch, std::string(599, 'l')).terminated[0]);
  EXPECT_TRUE(Play(*batch, "l").terminated[0]);
}

TEST(Portal, RewardOncePaysTheFirstPassOnly) {
  for (const bool once : {false, true}) {
    const auto batch = At({Room(1), Room(1), Room(1)}, {{"reward_once", once}});
    EXPECT_GT(Play(*batch, "rr").rewards[0], 0);
    Play(*batch, "ll");
    EXPECT_EQ(Play(*batch, "rr").rewards[0] > 0, !once);
    EXPECT_GT(Play(*batch, "rr").rewards[0], 0);
  }
}

TEST(Portal, RewardScaleIsPaidPerNumber) {
  const auto batch = At({Room(1), Room(1), Room(1)}, {{"reward_scale", 3}});
  Play(*batch, "rr");
  EXPECT_EQ(Play(*batch, "rr").rewards[0], 6);
}

TEST(Portal, TheClockRunsOutAfterAThousandSteps) {
  const auto batch = At({Room(1), Room(1)});
  EXPECT_FALSE(Play(*batch, std::string(999, 'u')).truncated[0]);
  EXPECT_TRUE(Play(*batch, "u").truncated[0]);
}

TEST(Portal, DoorsAndLandingMayBeAnywhere) {
  const auto batch = At({RoomOf({0, 1, 3}, {0, 2, 8}, 0, {3, 3}), RoomOf({4, 3, 5}, {1, 4, 6}, 1, {1, 1})},
                        {{"door_places", "random"}, {"landing", "random"}, {"colors", 8}});
  EXPECT_EQ(batch->Text(0),
            "room 1\n"
            "#GW##\n"
            "#...#\n"
            "#...#\n"
            "#..@#\n"
            "#####\n");
  Play(*batch, "llu");
  EXPECT_EQ(RoomNumber(Play(*batch, "uu")), 2);
  EXPECT_EQ(batch->Text(0),
            "room 2\n"
            "#####\n"
            "#@..C\n"
            "#...#\n"
            "#...#\n"
            "###P#\n");
  EXPECT_EQ(RoomNumber(Play(*batch, "rrddd")), 1);
  EXPECT_THAT(batch->Text(0), HasSubstr("#..@#"));  // the same landing cell as before
}

TEST(Portal, DrawsEveryDoorLandingColourAndSecretAlike) {
  constexpr int kRows = 400, kRooms = 50;
  const auto batch = MakeBatch("Portal-Random-v0", {.size = kRows, .seed = 3}, {{"landing", "random"}});
  Buffers buffers(*batch);
  batch->Reset(buffers.observations.data());
  std::map<std::string, int> counts;
  for (int row = 0; row < kRows; ++row) {
    const Json level = Json::parse(batch->LevelJson(row));
    for (const Json& room : level["rooms"]) {
      ++counts["right " + room["right"].dump()];
      ++counts["start " + room["start"].dump()];
      for (const Json& door : room["doors"]) {
        ++counts[fmt::format("cell {},{}", door[0].dump(), door[1].dump())];
        ++counts["colour " + door[2].dump()];
      }
    }
  }
  std::map<std::string, int> kinds;
  for (const auto& [name, count] : counts) ++kinds[name.substr(0, 4)];
  EXPECT_EQ(kinds, (std::map<std::string, int>{{"righ", 2}, {"star", 9}, {"cell", 12}, {"colo", 8}}));
  for (const auto& [name, count] : counts) {
    const bool per_door = name[0] == 'c';
    const int draws = kRows * kRooms * (per_door ? 2 : 1);
    const double p = 1. / kinds[name.substr(0, 4)];
    EXPECT_NEAR(count, draws * p, 5 * draws * StandardError(p, draws)) << name;
  }
}

TEST(Portal, TheCurriculumIsTheNumberOfRooms) {
  const auto batch = MakeBatch("Portal-v0", {.size = 1});
  Buffers buffers(*batch);
  batch->SetCurriculum(3);
  batch->Reset(buffers.observations.data());
  batch->SetCurriculum(50);  // the episode keeps its three rooms
  EXPECT_EQ(MeanMetric(*MakeBatch("Portal-v0", {.size = 1}), OraclePolicy(), 1, "steps"), 1'000);
  while (!buffers.ended(0)) {
    batch->Oracle(buffers.actions.data());
    buffers.Step(*batch);
  }
  EXPECT_EQ(Metric(*batch, 0, "deepest_room"), 3);
  EXPECT_EQ(Metric(*batch, 0, "success"), 1);
  EXPECT_EQ(Json::parse(batch->LevelJson(0))["rooms"].size(), 3u);
}

TEST(Portal, TheOracleTriesTheLeftDoorThenTheOtherAndKeepsBoth) {
  const auto batch = At({Room(1), Room(0), Room(1)});
  Buffers buffers(*batch);
  std::string moves;
  while (!buffers.ended(0)) {
    batch->Oracle(buffers.actions.data());
    moves += "urdl"[buffers.actions[0]];
    buffers.Step(*batch);
  }
  EXPECT_EQ(moves, "llrrllllrrllrr");  // wrong; right, right, wrong; right, right, right
}

TEST(Portal, TheOraclePrefersUpRightDownLeft) {
  const auto batch =
      At({RoomOf({0, 3, 1}, {2, 4, 2}, 0, {3, 1}), Room(1)}, {{"door_places", "random"}, {"landing", "random"}});
  uint8_t action = 0;
  std::string moves;
  for (int step = 0; step < 5; ++step) {
    batch->Oracle(&action);
    moves += "urdl"[action];
    Play(*batch, moves.substr(step));
  }
  EXPECT_EQ(moves, "uurru");
}

// After a mistake in the last room every room's door was last seen to be right so many steps ago.
TEST(Portal, MemoryIsNeededForARoundThroughTheRooms) {
  constexpr int kRooms = 6;
  const auto batch = At(std::vector<Json>(kRooms, Room(1)), {{"mistake_limit", 0}});
  Buffers buffers(*batch);
  std::vector<int> learnt(kRooms + 1, -1);  // step of the observation that last told which door of a room is right
  int step = 0, room = 1, longest = 0;
  batch->Observe(buffers.observations.data());
  while (!buffers.ended(0)) {
    if (batch->IsCue(0) || step == 0) {  // a visit begins
      const int now = RoomNumber(buffers);
      if (step > 0) learnt[room] = step;
      room = now;
      if (learnt[room] >= 0) longest = std::max(longest, step - learnt[room]);
    }
    batch->Oracle(buffers.actions.data());
    buffers.Step(*batch);
    ++step;
  }
  // To the first cell of a room at the most: the choice is on it.
  EXPECT_EQ(longest, 2 * (kRooms - 1));
}

TEST(Portal, ACueIsTheFirstObservationBehindADoor) {
  const auto batch = At({Room(1), Room(0), Room(1)});
  EXPECT_FALSE(batch->IsCue(0));
  Play(*batch, "r");
  EXPECT_FALSE(batch->IsCue(0));
  Play(*batch, "r");
  EXPECT_TRUE(batch->IsCue(0));
  Play(*batch, "r");
  EXPECT_FALSE(batch->IsCue(0));
  Play(*batch, "r");
  EXPECT_TRUE(batch->IsCue(0));  // wrong: back in room 1
}

// --- Stated scores.

// Expected deepest room of the oracle: room k is first passed at the sum over j <= k of s or s (j + 1) steps, alike.
double OracleDepth(int rooms, int limit, int s) {
  std::vector<double> at(limit + 1);  // probability that the rooms so far took so many steps
  at[0] = 1;
  double depth = 1;
  for (int room = 1; room < rooms; ++room) {
    std::vector<double> next(limit + 1);
    for (int steps = 0; steps <= limit; ++steps) {
      for (const int cost : {s, s * (room + 1)}) {
        if (steps + cost <= limit) next[steps + cost] += at[steps] / 2;
      }
    }
    at = next;
    depth += std::accumulate(at.begin(), at.end(), 0.);
  }
  return depth;
}

// The bound of the rules for fair coins, where every chance q is 1/2 and the mean over the doors is no mean.
double FairCoinDepth(int rooms) {
  double depth = 1;
  std::vector<double> e = {1};  // elementary symmetric polynomials of w_1 .. w_k
  for (int room = 1; room < rooms; ++room) {
    const double w = std::pow(0.5, room);
    e.push_back(0);
    for (size_t m = e.size() - 1; m > 0; --m) e[m] += w * e[m - 1];
    double sum = 0, factorial = 1;
    for (size_t m = 0; m < e.size(); ++m, factorial *= static_cast<double>(m)) sum += factorial * e[m];
    depth += std::pow(0.5, room) * sum;
  }
  return depth;
}

TEST(Portal, StatedScoresAreThoseOfTheFormulas) {
  EXPECT_NEAR(Find("Portal-v0").scores.oracle, OracleDepth(50, 1'000, 2), 1e-4);
  EXPECT_NEAR(Find("Portal-Once-v0").scores.oracle, OracleDepth(50, 1'000, 2), 1e-4);
  EXPECT_NEAR(Find("Portal-Short-v0").scores.oracle, OracleDepth(10, 200, 2), 1e-4);
  for (const char* id : {"Portal-v0", "Portal-Once-v0", "Portal-Random-v0"}) {
    EXPECT_NEAR(Find(id).scores.memoryless, FairCoinDepth(50), 1e-4) << id;
  }
  EXPECT_NEAR(Find("Portal-Short-v0").scores.memoryless, FairCoinDepth(10), 1e-4);
}

constexpr double kDeviation = 1.85;  // of the deepest room with fair coins, measured

TEST(Portal, AFairCoinReachesTheMemorylessBound) {
  for (const char* id : {"Portal-v0", "Portal-Short-v0"}) {
    constexpr int kLevels = 10'000;
    const auto batch = MakeBatch(id, {.size = kLevels, .seed = 12});
    EXPECT_NEAR(MeanMetric(*batch, MemorylessPolicy(3), 1, "deepest_room"), Find(id).scores.memoryless,
                4 * kDeviation / std::sqrt(kLevels))
        << id;
  }
}

TEST(Portal, OneDoorForAllReachesTwo) {
  constexpr int kLevels = 10'000;
  const auto batch = MakeBatch("Portal-v0", {.size = kLevels, .seed = 12});
  const auto left = [](const EnvBatch&, Buffers& buffers) { std::ranges::fill(buffers.actions, kLeft); };
  EXPECT_NEAR(MeanMetric(*batch, left, 1, "deepest_room"), 2, 4 * std::sqrt(2. / kLevels));
}

TEST(Portal, TheOracleReachesTheLastRoomAsOftenAsStated) {
  constexpr int kLevels = 4'000;
  const auto batch = MakeBatch("Portal-v0", {.size = kLevels, .seed = 11});
  EXPECT_NEAR(MeanMetric(*batch, OraclePolicy(), 1, "success"), 0.035, 4 * StandardError(0.035, kLevels));
}

// --- Bad input.

TEST(Portal, BadParametersAreRefused) {
  const auto error_with = [](const std::string& name, const Json& value) {
    return ErrorOf([&] { MakeBatch("Portal-v0", {.size = 1}, {{name, value}}); });
  };
  EXPECT_THAT(error_with("rooms", 1), HasSubstr("rooms is 1; allowed: 2..255"));
  EXPECT_THAT(error_with("rooms", 256), HasSubstr("rooms is 256"));
  EXPECT_THAT(error_with("room_size", 6), HasSubstr("room_size is 6; allowed: odd, 5..15"));
  EXPECT_THAT(error_with("room_size", 3), HasSubstr("room_size is 3"));
  EXPECT_THAT(error_with("door_places", "top"), HasSubstr("door_places is \"top\"; allowed"));
  EXPECT_THAT(error_with("landing", "sides"), HasSubstr("landing is \"sides\""));
  EXPECT_THAT(error_with("colors", 1), HasSubstr("colors is 1; allowed: 2..8"));
  EXPECT_THAT(error_with("reward_scale", 0), HasSubstr("reward_scale is 0"));
  EXPECT_THAT(error_with("reward_scale", 101), HasSubstr("reward_scale is 101"));
  EXPECT_THAT(error_with("mistake_limit", 1'001), HasSubstr("mistake_limit is 1001; allowed: 0..1000"));
  EXPECT_THAT(error_with("wrong_reward", 0.1), HasSubstr("wrong_reward is 0.1"));
}

TEST(Portal, TheLargestRoomsWork) {
  const auto batch = MakeBatch("Portal-v0", {.size = 2},
                               {{"rooms", 255},
                                {"room_size", 15},
                                {"view", 15},
                                {"colors", 8},
                                {"landing", "random"},
                                {"door_places", "random"},
                                {"max_steps", 20'000},
                                {"mistake_limit", 0}});
  EXPECT_EQ(batch->num_tokens(), 2 * 15 * 15 + 1);
  EXPECT_GT(MeanMetric(*batch, OraclePolicy(), 1, "deepest_room"), 40);
}

TEST(Portal, BadLevelsAreRefusedAndChangeNothing) {
  const auto batch = At({Room(1), Room(0)});
  const auto saved = batch->Save();
  const Json level = Json::parse(batch->LevelJson(0));
  const auto error_with = [&](const std::string& pointer, const Json& value) {
    Json changed = level;
    changed[Json::json_pointer(pointer)] = value;
    return ErrorOf([&] { batch->LoadLevel(0, changed.dump()); });
  };
  EXPECT_EQ(error_with("/rooms/1/right", 1), "");
  batch->Restore(saved);
  EXPECT_THAT(error_with("/rooms", {Room(1)}), HasSubstr("rooms is no list of 2 rooms"));
  EXPECT_THAT(error_with("/rooms", 2), HasSubstr("rooms is no list of 2 rooms"));
  EXPECT_THAT(error_with("/rooms/1/right", 2), HasSubstr("rooms[1].right is 2; allowed: integers 0..1"));
  EXPECT_THAT(error_with("/rooms/1/start", {2}), HasSubstr("rooms[1].start is [2]; allowed: a list of 2"));
  EXPECT_THAT(error_with("/rooms/1/start/0", 5), HasSubstr("rooms[1].start[0] is 5; allowed: integers 0..4"));
  EXPECT_THAT(error_with("/rooms/1/start", {1, 2}), HasSubstr("rooms[1].start is [1,2]; allowed: the centre"));
  EXPECT_THAT(error_with("/rooms/1/doors", 7), HasSubstr("rooms[1].doors is 7; allowed: a list of 2"));
  EXPECT_THAT(error_with("/rooms/1/doors/0/2", 3), HasSubstr("rooms[1].doors[0][2] is 3; allowed: integers 1..2"));
  EXPECT_THAT(error_with("/rooms/1/doors/0/2", 2), HasSubstr("two different colours"));
  EXPECT_THAT(error_with("/rooms/1/doors/0/0", 1), HasSubstr("the middle of the left, then of the right wall"));
  EXPECT_THAT(error_with("/rooms/1/doors/0/0", 0), HasSubstr("cells of the wall, no corners"));
  EXPECT_THAT(error_with("/rooms/1/doors/0/1", 4), HasSubstr("two different cells"));
  EXPECT_THAT(error_with("/params/rooms", 200), HasSubstr("rooms is 200; this batch has room for 2"));
  EXPECT_EQ(batch->Save(), saved);
  const auto random = At({Room(1), Room(0)}, {{"landing", "random"}});
  Json on_the_wall = Json::parse(random->LevelJson(0));
  on_the_wall["rooms"][0]["start"] = {0, 2};
  EXPECT_THAT(ErrorOf([&] { random->LoadLevel(0, on_the_wall.dump()); }), HasSubstr("a cell of the floor"));
}

}  // namespace
}  // namespace lethe::envs
