#include "agents/curriculum.h"

#include <gtest/gtest.h>

#include <cmath>
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

TEST(Curriculum, EndsWhereItIsTold) {
  CurriculumOptions options = kOptions;
  options.end = 8;
  Curriculum curriculum(options, 12);
  for (const double want : {6.0, 8.0, 8.0}) {
    AddWindow(curriculum, 1);
    EXPECT_EQ(curriculum.value(), want);
  }
  EXPECT_TRUE(curriculum.at_hardest());
  options.end = 100;
  EXPECT_FALSE(Curriculum(options, 12).at_hardest());
  options.start = 0;
  EXPECT_EQ(Curriculum(options, 12).value(), 12) << "no curriculum, no end";
}

TEST(Curriculum, RemembersTheHighestValue) {
  CurriculumOptions options = kOptions;
  options.retreat = 0.5;
  Curriculum curriculum(options, 12);
  AddWindow(curriculum, 1);
  AddWindow(curriculum, 0);
  EXPECT_EQ(curriculum.value(), 4);
  EXPECT_EQ(curriculum.highest(), 6);
  Curriculum restored(options, 12);
  restored.Restore(curriculum.progress());
  EXPECT_EQ(restored.highest(), 6);
}

TEST(Curriculum, WithoutAStartItJudgesButDoesNotMove) {
  for (const double hardest : {12.0, std::numeric_limits<double>::quiet_NaN()}) {
    Curriculum curriculum({.start = 0, .threshold = 0.9, .retreat = 0.6, .episodes = 2}, hardest);
    curriculum.Add(0, hardest);
    EXPECT_EQ(curriculum.Add(0, hardest), Curriculum::Window::kFailed);
    curriculum.Add(1, hardest);
    EXPECT_EQ(curriculum.Add(1, hardest), Curriculum::Window::kPassed);
    EXPECT_EQ(curriculum.last_mean(), 1);
    EXPECT_TRUE(curriculum.at_hardest());
    EXPECT_EQ(std::isnan(curriculum.value()), std::isnan(hardest));
  }
}

TEST(Curriculum, JumpsToItsEndAndForgetsTheOpenWindow) {
  Curriculum curriculum(kOptions, 12);
  curriculum.Add(1, 4);
  curriculum.JumpToEnd();
  EXPECT_EQ(curriculum.value(), 12);
  EXPECT_EQ(curriculum.highest(), 12);
  EXPECT_EQ(curriculum.progress().count, 0);
}

TEST(Curriculum, GrowsByOneAtLeast) {
  Curriculum curriculum({.start = 3, .factor = 1, .threshold = 0.9, .episodes = 4}, 10);
  AddWindow(curriculum, 1);
  EXPECT_EQ(curriculum.value(), 4);
}

TEST(Curriculum, StaysBelowTheThreshold) {
  Curriculum curriculum(kOptions, 12);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(curriculum.Add(0.8, 4), Curriculum::Window::kOpen);
  EXPECT_EQ(curriculum.Add(0.8, 4), Curriculum::Window::kFailed);
  EXPECT_EQ(curriculum.value(), 4);
  EXPECT_DOUBLE_EQ(curriculum.last_mean(), 0.8);
  for (int i = 0; i < 3; ++i) curriculum.Add(1, 4);
  EXPECT_EQ(curriculum.Add(1, 4), Curriculum::Window::kPassed);
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
