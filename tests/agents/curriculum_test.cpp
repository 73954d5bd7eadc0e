#include "agents/curriculum.h"

#include <gtest/gtest.h>

#include <limits>

namespace lethe::agents {
namespace {

constexpr CurriculumOptions kOptions{.start = 4, .factor = 1.5, .threshold = 0.9, .episodes = 4};

/// A window of episodes that all score the same, begun at the present value.
void AddWindow(Curriculum& curriculum, double score) {
  const double value = curriculum.value();
  for (int64_t i = 0; i < kOptions.episodes; ++i) curriculum.Add(score, value);
}

TEST(Curriculum, GrowsAtSuccessUpToTheHardest) {
  Curriculum curriculum(kOptions, 12);
  for (const double want : {6.0, 9.0, 12.0, 12.0}) {
    AddWindow(curriculum, 1);
    EXPECT_EQ(curriculum.value(), want);
  }
  EXPECT_TRUE(curriculum.at_hardest());
  EXPECT_EQ(curriculum.last_mean(), 1);
}

TEST(Curriculum, GrowsByOneAtLeast) {
  Curriculum curriculum({.start = 3, .factor = 1, .threshold = 0.9, .episodes = 4}, 10);
  AddWindow(curriculum, 1);
  EXPECT_EQ(curriculum.value(), 4);
}

TEST(Curriculum, StaysBelowTheThreshold) {
  Curriculum curriculum(kOptions, 12);
  AddWindow(curriculum, 0.8);
  EXPECT_EQ(curriculum.value(), 4);
  EXPECT_DOUBLE_EQ(curriculum.last_mean(), 0.8);
}

TEST(Curriculum, RetreatsWhenTheTaskIsLostButNeverBelowTheStart) {
  Curriculum curriculum({.start = 4, .factor = 1.5, .threshold = 0.9, .retreat = 0.65, .episodes = 4}, 12);
  AddWindow(curriculum, 1);
  AddWindow(curriculum, 1);
  EXPECT_EQ(curriculum.value(), 9);
  AddWindow(curriculum, 0.7);
  EXPECT_EQ(curriculum.value(), 9);
  for (const double want : {6.0, 4.0, 4.0}) {
    AddWindow(curriculum, 0.5);
    EXPECT_EQ(curriculum.value(), want);
  }
}

TEST(Curriculum, EpisodesBegunAtAnotherValueDoNotCount) {
  Curriculum curriculum(kOptions, 12);
  for (int i = 0; i < 100; ++i) curriculum.Add(1, 3);
  EXPECT_EQ(curriculum.value(), 4);
  EXPECT_EQ(curriculum.progress().count, 0);
}

TEST(Curriculum, WithoutAStartItIsAtItsHardest) {
  const Curriculum off({.start = 0}, 12), beyond({.start = 50}, 12);
  EXPECT_EQ(off.value(), 12);
  EXPECT_TRUE(off.at_hardest());
  EXPECT_EQ(beyond.value(), 12);
}

/// Otherwise a target score would never end learning there.
TEST(Curriculum, AnEnvironmentWithoutAParameterIsAtItsHardest) {
  const Curriculum none({.start = 0}, std::numeric_limits<double>::quiet_NaN());
  EXPECT_TRUE(none.at_hardest());
}

TEST(Curriculum, GoesOnFromItsSavedProgress) {
  Curriculum whole(kOptions, 12);
  AddWindow(whole, 1);
  for (int i = 0; i < 3; ++i) whole.Add(1, 6);
  Curriculum resumed(kOptions, 12);
  resumed.Restore(whole.progress());
  resumed.Add(1, 6);
  EXPECT_EQ(resumed.value(), 9);
}

}  // namespace
}  // namespace lethe::agents
