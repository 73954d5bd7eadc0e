#include "tools/viewer/pointer.h"

#include <gtest/gtest.h>

#include "tests/tools/viewer/test_player.h"

namespace lethe::tools {
namespace {

using Zone = Zones::Zone;

TEST(Zones, TheUppermostCounts) {
  Zones zones;
  zones.AddMemory({0, 0, 10, 10}, {0, 0, 4});
  zones.AddControl({5, 0, 10, 10}, Control::kHelp);
  EXPECT_EQ(zones.At({2, 2})->memory, (MemoryPlace{0, 0, 4}));
  EXPECT_EQ(zones.At({5, 2})->control, Control::kHelp);
  EXPECT_EQ(zones.At({14.9, 9.9})->control, Control::kHelp);
  EXPECT_EQ(zones.At({15, 2}), nullptr) << "the right edge belongs to the next";
  zones.Cover({0, 0, 100, 100});
  EXPECT_EQ(zones.At({2, 2})->memory, std::nullopt);
  EXPECT_EQ(zones.At({2, 2})->control, std::nullopt);
  EXPECT_LT(zones.At({2, 2})->last_step, 0);
  zones.Clear();
  EXPECT_EQ(zones.At({2, 2}), nullptr);
}

TEST(Zones, ATimelineGoesFromItsFirstStepToItsLast) {
  const Zone zone = {{10, 0, 101, 5}, {}, {}, 50};
  EXPECT_EQ(zone.StepAt({10, 2}), 0);
  EXPECT_EQ(zone.StepAt({10.9, 2}), 0);
  EXPECT_EQ(zone.StepAt({60, 2}), 25);
  EXPECT_EQ(zone.StepAt({110, 2}), 50);
  EXPECT_EQ(zone.StepAt({-500, 2}), 0);
  EXPECT_EQ(zone.StepAt({500, 99}), 50);
}

/// Every step of a timeline that is wide enough can be reached, each by as many points.
TEST(Zones, ATimelineReachesEveryStep) {
  const Zone zone = {{0, 0, 401, 5}, {}, {}, 100};
  for (int64_t step = 0; step <= 100; ++step) EXPECT_EQ(zone.StepAt({static_cast<double>(4 * step), 0}), step);
}

TEST(Zones, TimelinesOfNoWidthAndOfNoLength) {
  EXPECT_EQ((Zone{{10, 0, 0, 5}, {}, {}, 50}).StepAt({10, 0}), 0);
  EXPECT_EQ((Zone{{10, 0, 1, 5}, {}, {}, 50}).StepAt({12, 0}), 50);
  EXPECT_EQ((Zone{{10, 0, 100, 5}, {}, {}, 0}).StepAt({109, 0}), 0);
}

/// Memories of steps 3 and 4, a button, a timeline below.
class PointerTest : public testing::Test {
 protected:
  PointerTest() {
    zones_.AddMemory({0, 0, 10, 10}, three_);
    zones_.AddMemory({10, 0, 10, 10}, four_);
    zones_.AddControl({30, 0, 20, 10}, Control::kNextEpisode);
    zones_.AddTimeline({100, 50, 101, 10}, 20);
    test_.session.Advance(2.5, [] { return true; });
    EXPECT_EQ(test_.session.newest(), 20);
  }
  std::optional<Control> Press(Point at) { return pointer_.Press(at, zones_, session_); }
  void Move(Point to) { pointer_.Move(to, zones_, session_); }

  const MemoryPlace three_ = {0, 0, 3}, four_ = {0, 0, 4};
  TestSession test_{std::make_unique<TestPlayer>(CorridorOf(40))};
  Session& session_ = test_.session;
  Zones zones_;
  Pointer pointer_;
};

TEST_F(PointerTest, PointsAtMemories) {
  EXPECT_LT(pointer_.place().x, 0) << "outside as long as nobody knows";
  Move({4, 4});
  EXPECT_EQ(session_.hovered(), three_);
  EXPECT_EQ(pointer_.place().x, 4);
  Move({12, 4});
  EXPECT_EQ(session_.hovered(), four_);
  Move({35, 4});
  EXPECT_EQ(session_.hovered(), std::nullopt) << "a button is no memory";
  Move({12, 4});
  Move({12, 44});
  EXPECT_EQ(session_.hovered(), std::nullopt);
  EXPECT_EQ(session_.selected(), std::nullopt);
  EXPECT_TRUE(session_.is_playing()) << "looking changes nothing";
}

TEST_F(PointerTest, AClickMarksAndAnotherUnmarks) {
  EXPECT_EQ(Press({4, 4}), std::nullopt);
  EXPECT_EQ(session_.selected(), three_);
  pointer_.Release();
  EXPECT_EQ(Press({14, 4}), std::nullopt);
  EXPECT_EQ(session_.selected(), four_);
  EXPECT_EQ(Press({14, 4}), std::nullopt);
  EXPECT_EQ(session_.selected(), std::nullopt);
  Press({4, 4});
  Press({70, 30});
  EXPECT_EQ(session_.selected(), three_) << "beside everything nothing changes";
}

TEST_F(PointerTest, ButtonsAreTheirControls) {
  EXPECT_EQ(Press({35, 4}), Control::kNextEpisode);
  EXPECT_EQ(session_.selected(), std::nullopt);
  EXPECT_EQ(Press({70, 30}), std::nullopt);
}

TEST_F(PointerTest, DragsTheTimelineBeyondItsEndsAndItsHeight) {
  EXPECT_EQ(Press({150, 55}), std::nullopt);
  EXPECT_EQ(session_.step(), 10);
  EXPECT_FALSE(session_.is_playing());
  Move({175, 55});
  EXPECT_EQ(session_.step(), 15);
  Move({900, 300});
  EXPECT_EQ(session_.step(), 20);
  Move({4, 4});
  EXPECT_EQ(session_.step(), 0);
  EXPECT_EQ(session_.hovered(), std::nullopt) << "what is dragged over is not meant";
  Move({125, 55});
  pointer_.Release();
  Move({175, 55});
  EXPECT_EQ(session_.step(), 5) << "let go";
  Move({4, 4});
  EXPECT_EQ(session_.hovered(), three_);
}

/// The episode was another one when it was gripped.
TEST_F(PointerTest, ADragThatOutlivesItsEpisodeStaysWithinTheNewOne) {
  Press({150, 55});
  session_.Apply(Control::kNextEpisode);
  Move({900, 55});
  EXPECT_EQ(session_.step(), 0);
}

TEST_F(PointerTest, WhatIsCoveredIsOutOfReach) {
  zones_.Cover({0, 0, 300, 300});
  Move({4, 4});
  EXPECT_EQ(session_.hovered(), std::nullopt);
  EXPECT_EQ(Press({4, 4}), std::nullopt);
  EXPECT_EQ(session_.selected(), std::nullopt);
  EXPECT_EQ(Press({150, 55}), std::nullopt);
  EXPECT_EQ(session_.step(), 20);
}

}  // namespace
}  // namespace lethe::tools
