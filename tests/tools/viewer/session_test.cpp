#include "tools/viewer/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "memory/check.h"
#include "tests/tools/viewer/test_player.h"
#include "tools/viewer/describe.h"

namespace lethe::tools {
namespace {

using agents::Chooser;
using testing::HasSubstr;
using testing::IsEmpty;

const auto kGoOn = [] { return true; };
const auto kEnough = [] { return false; };
constexpr double kRest = 1.5;

std::unique_ptr<TestPlayer> Oracle(int length) { return std::make_unique<TestPlayer>(CorridorOf(length)); }

std::unique_ptr<TestPlayer> Person(int length) {
  auto player = Oracle(length);
  player->person = true;
  return player;
}

std::unique_ptr<TestPlayer> Replay(int length, std::vector<uint8_t> actions) {
  auto player = Oracle(length);
  player->is_replay = true;
  player->recorded = std::move(actions);
  return player;
}

std::vector<std::unique_ptr<TestPlayer>> Two(std::unique_ptr<TestPlayer> a, std::unique_ptr<TestPlayer> b) {
  std::vector<std::unique_ptr<TestPlayer>> two;
  two.push_back(std::move(a)), two.push_back(std::move(b));
  return two;
}

void TypeAll(Session& session, const std::vector<const char*>& keys) {
  for (const char* key : keys) session.Type(key);
}

TEST(Session, BeginsWithThePlayersSeedAndPlays) {
  TestSession test(Oracle(10));
  EXPECT_EQ(test.session.seed(), 5u);
  EXPECT_EQ(test.session.number(), 0u);
  EXPECT_EQ(test.session.step(), 0);
  EXPECT_EQ(test.session.newest(), 0);
  EXPECT_TRUE(test.session.is_playing());
  EXPECT_FALSE(test.session.has_ended());
  EXPECT_EQ(test.session.chooser(), Chooser::kOracle);
  EXPECT_EQ(test.session.seats()[0].course.cues, std::vector<int64_t>{0});
}

TEST(Session, PlaysEightStepsASecond) {
  TestSession test(Oracle(200));
  test.session.Advance(1, kGoOn);
  EXPECT_EQ(test.session.step(), 8);
  test.session.Advance(0.0625, kGoOn);
  EXPECT_EQ(test.session.step(), 8);
  test.session.Advance(0.0625, kGoOn);
  EXPECT_EQ(test.session.step(), 9) << "halves add up";
  EXPECT_EQ(test.session.newest(), 9);
  EXPECT_EQ(test.players[0]->polls, 3);
}

TEST(Session, SpeedGoesFromAnEighthToSixtyFour) {
  TestSession test(Oracle(200));
  Session& session = test.session;
  session.Apply(Control::kFaster);
  EXPECT_EQ(session.steps_per_second(), 16);
  session.Advance(1, kGoOn);
  EXPECT_EQ(session.step(), 16);
  for (int i = 0; i < 10; ++i) session.Apply(Control::kSlower);
  EXPECT_EQ(session.steps_per_second(), 1);
  session.Advance(2, kGoOn);
  EXPECT_EQ(session.step(), 18);
  for (int i = 0; i < 20; ++i) session.Apply(Control::kFaster);
  EXPECT_EQ(session.steps_per_second(), 512);
  session.SetSpeed(24);
  EXPECT_EQ(session.steps_per_second(), 24);
}

TEST(Session, UnlimitedPlaysUntilThatIsEnough) {
  TestSession test(Oracle(200));
  Session& session = test.session;
  session.Apply(Control::kUnlimited);
  EXPECT_TRUE(std::isinf(session.steps_per_second()));
  int asked = 0;
  session.Advance(0.001, [&] { return ++asked < 30; });
  EXPECT_EQ(session.step(), 30);
  session.Advance(0, kEnough);
  EXPECT_EQ(session.step(), 31) << "one at least";
  session.Apply(Control::kUnlimited);
  EXPECT_EQ(session.steps_per_second(), 8) << "as before";
  session.SetSpeed(INFINITY);
  session.Apply(Control::kFaster);
  EXPECT_TRUE(std::isinf(session.steps_per_second())) << "nothing is faster";
  session.Apply(Control::kSlower);
  EXPECT_EQ(session.steps_per_second(), 512);
}

/// A machine that is too slow for a speed does not fall further and further behind.
TEST(Session, OwesNothingForStepsThatTookTooLong) {
  TestSession test(Oracle(200));
  test.session.Advance(10, kEnough);
  EXPECT_EQ(test.session.step(), 1);
  test.session.Advance(0, kGoOn);
  EXPECT_EQ(test.session.step(), 1);
}

TEST(Session, APauseIsAPause) {
  TestSession test(Oracle(200));
  Session& session = test.session;
  session.Apply(Control::kPlay);
  EXPECT_FALSE(session.is_playing());
  session.Advance(5, kGoOn);
  EXPECT_EQ(session.step(), 0);
  EXPECT_EQ(test.players[0]->polls, 1) << "weights are looked for all the same";
  session.Apply(Control::kPlay);
  session.Advance(1, kGoOn);
  EXPECT_EQ(session.step(), 8) << "nothing is made up for";
}

TEST(Session, StepsForwardAndBackPause) {
  TestSession test(Oracle(200));
  Session& session = test.session;
  session.Apply(Control::kStepBack);
  EXPECT_EQ(session.step(), 0);
  EXPECT_FALSE(session.is_playing());
  session.SetPlaying(true);
  session.Apply(Control::kStepForward);
  EXPECT_FALSE(session.is_playing());
  session.Apply(Control::kStepForward);
  EXPECT_EQ(session.step(), 2);
  session.Apply(Control::kStepBack);
  EXPECT_EQ(session.step(), 1);
  EXPECT_EQ(session.newest(), 2) << "what was played stays";
  session.Apply(Control::kStepForward);
  EXPECT_EQ(session.step(), 2);
  EXPECT_EQ(session.newest(), 2) << "shown again, not played";
}

TEST(Session, ShowsAnyStepThatWasPlayed) {
  TestSession test(Oracle(200));
  Session& session = test.session;
  session.Advance(2, kGoOn);
  ASSERT_EQ(session.newest(), 16);
  session.ShowStep(5);
  EXPECT_EQ(session.step(), 5);
  EXPECT_FALSE(session.is_playing());
  session.ShowStep(1'000);
  EXPECT_EQ(session.step(), 16);
  session.ShowStep(-3);
  EXPECT_EQ(session.step(), 0);
  session.ShowStep(9);
  session.Apply(Control::kFirst);
  EXPECT_EQ(session.step(), 0);
  session.SetPlaying(true);
  session.Advance(1, kGoOn);
  EXPECT_EQ(session.step(), 8);
  EXPECT_EQ(session.newest(), 16) << "plays through what is there";
}

TEST(Session, PlaysToTheEndAtOnceOverAsManyFramesAsItTakes) {
  TestSession test(Oracle(20));
  Session& session = test.session;
  session.Apply(Control::kPlay);
  session.Apply(Control::kLast);
  session.Advance(0, kEnough);
  EXPECT_EQ(session.step(), 1);
  session.Advance(0, kGoOn);
  EXPECT_EQ(session.step(), 20);
  EXPECT_TRUE(session.has_ended());
  EXPECT_EQ(session.number(), 0u);
  session.Advance(10, kGoOn);
  EXPECT_EQ(session.number(), 0u) << "it was paused before, and is so again";
  session.Apply(Control::kFirst);
  session.Apply(Control::kLast);
  EXPECT_EQ(session.step(), 20);
}

TEST(Session, ShowingAStepStopsTheWayToTheEnd) {
  TestSession test(Oracle(20));
  test.session.Apply(Control::kLast);
  test.session.Advance(0, kEnough);
  test.session.ShowStep(0);
  test.session.Advance(0, kGoOn);
  EXPECT_EQ(test.session.step(), 0);
}

TEST(Session, TheNextEpisodeComesAfterARest) {
  TestSession test(Oracle(10));
  Session& session = test.session;
  session.Advance(2, kGoOn);
  ASSERT_TRUE(session.has_ended());
  session.Advance(kRest - 0.5, kGoOn);
  EXPECT_EQ(session.number(), 0u);
  session.Advance(0.5, kGoOn);
  EXPECT_EQ(session.number(), 1u);
  EXPECT_EQ(session.seed(), 5u);
  EXPECT_EQ(session.step(), 0);
  EXPECT_EQ(session.newest(), 0);
  EXPECT_EQ(session.seats()[0].course.reward.size(), 0u);
  EXPECT_EQ(session.seats()[0].episode->number(), 1u);
}

TEST(Session, APausedOneStaysAtTheEndUntilSomebodyGoesOn) {
  TestSession test(Oracle(10));
  Session& session = test.session;
  session.Advance(2, kGoOn);
  session.Apply(Control::kPlay);
  session.Advance(100, kGoOn);
  EXPECT_EQ(session.number(), 0u);
  session.Apply(Control::kPlay);
  session.Advance(0, kGoOn);
  EXPECT_EQ(session.number(), 1u) << "who wants to go on need not wait";
}

TEST(Session, ARestIsWholeHoweverTheEndWasReached) {
  TestSession test(Oracle(10));
  Session& session = test.session;
  session.Advance(0.5, kGoOn);
  session.Apply(Control::kPlay), session.Apply(Control::kPlay);
  session.Advance(2, kGoOn);
  session.Advance(kRest - 0.1, kGoOn);
  EXPECT_EQ(session.number(), 0u) << "a pause on the way does not shorten it";
  session.ShowStep(4);
  session.SetPlaying(true);
  session.Advance(2, kGoOn);
  session.Advance(kRest - 0.1, kGoOn);
  EXPECT_EQ(session.number(), 0u) << "nor does an earlier one";
  session.Advance(0.2, kGoOn);
  EXPECT_EQ(session.number(), 1u);
}

TEST(Session, TellsWhetherSomethingMoves) {
  TestSession test(Oracle(10));
  Session& session = test.session;
  EXPECT_TRUE(session.moves());
  session.SetPlaying(false);
  EXPECT_FALSE(session.moves());
  session.Apply(Control::kLast);
  EXPECT_TRUE(session.moves()) << "it plays to the end";
  session.Advance(0.01, kGoOn);
  EXPECT_FALSE(session.moves());
  session.ShowStep(2);
  EXPECT_FALSE(session.moves()) << "a step that is looked at stays";
}

TEST(Session, GoesToTheNextAndThePreviousEpisode) {
  TestSession test(Oracle(10));
  Session& session = test.session;
  session.Apply(Control::kPreviousEpisode);
  EXPECT_EQ(session.number(), 0u);
  session.Apply(Control::kNextEpisode), session.Apply(Control::kNextEpisode);
  EXPECT_EQ(session.number(), 2u);
  session.Apply(Control::kPreviousEpisode);
  EXPECT_EQ(session.number(), 1u);
  session.Begin(5, 0xFFFFFFFF);
  session.Apply(Control::kNextEpisode);
  EXPECT_EQ(session.number(), 0xFFFFFFFFu) << "there are no others";
}

TEST(Session, TakesAnotherSeed) {
  TestSession test(Oracle(10));
  Session& session = test.session;
  session.Begin(5, 3);
  session.Apply(Control::kNewSeed);
  EXPECT_LT(session.seed(), 1'000'000u);
  EXPECT_EQ(session.number(), 0u);
  EXPECT_EQ(session.seats()[0].episode->seed(), session.seed());
}

TEST(Session, TakesATypedSeed) {
  TestSession test(Oracle(10));
  Session& session = test.session;
  session.Type("7");
  EXPECT_FALSE(session.is_typing());
  session.Apply(Control::kGivenSeed);
  EXPECT_TRUE(session.is_typing());
  TypeAll(session, {"Backspace", "1", "2", "X", "Space", "Backspace", "3"});
  EXPECT_THAT(session.note(), HasSubstr("seed: 13_"));
  session.Advance(100, kGoOn);
  EXPECT_THAT(session.note(), HasSubstr("seed: 13_")) << "does not grow old";
  session.Type("Return");
  EXPECT_FALSE(session.is_typing());
  EXPECT_EQ(session.seed(), 13u);
  EXPECT_EQ(session.number(), 0u);
}

TEST(Session, ATypedSeedCanBeLeft) {
  TestSession test(Oracle(10));
  Session& session = test.session;
  session.Apply(Control::kGivenSeed);
  TypeAll(session, {"9", "Escape"});
  EXPECT_FALSE(session.is_typing());
  session.Apply(Control::kGivenSeed);
  TypeAll(session, {"Return"});
  EXPECT_FALSE(session.is_typing()) << "nothing typed, nothing done";
  EXPECT_EQ(session.seed(), 5u);
  session.Apply(Control::kGivenSeed);
  for (int i = 0; i < 40; ++i) session.Type("9");
  session.Type("Return");
  EXPECT_EQ(session.seed(), 999'999'999'999'999u) << "no more digits than a seed has";
}

TEST(Session, CyclesTheChooserWithAPolicy) {
  const auto run = LongRun(kExpireSpan);
  TestSession test(std::make_unique<TestPlayer>(run, RandomPolicy(run)));
  for (const Chooser next : {Chooser::kGreedy, Chooser::kOracle, Chooser::kRandom, Chooser::kSample}) {
    test.session.Apply(Control::kChooser);
    EXPECT_EQ(test.session.chooser(), next);
    EXPECT_TRUE(test.session.PlayStep());
  }
}

TEST(Session, CyclesTheChooserWithoutAPolicy) {
  TestSession test(Oracle(10));
  for (const Chooser next : {Chooser::kRandom, Chooser::kOracle, Chooser::kRandom}) {
    test.session.Apply(Control::kChooser);
    EXPECT_EQ(test.session.chooser(), next);
  }
}

/// Whoever has no policy then acts as the oracle.
TEST(Session, OfTwoPlayersOneWithAPolicyIsEnoughToSample) {
  const auto run = LongRun(kExpireSpan);
  TestSession test(Two(std::make_unique<TestPlayer>(run, RandomPolicy(run)), Oracle(60)));
  Session& session = test.session;
  EXPECT_EQ(session.chooser(), Chooser::kSample);
  for (int i = 0; i < 4; ++i) session.Apply(Control::kChooser);
  EXPECT_EQ(session.chooser(), Chooser::kSample);
  while (session.step() < 60) ASSERT_TRUE(session.PlayStep());
  EXPECT_TRUE(session.seats()[1].episode->ended());
}

TEST(Session, CyclesHeadsAndTheirMean) {
  const auto run = LongRun(kExpireSpan);
  TestSession test(std::make_unique<TestPlayer>(run, RandomPolicy(run)));
  Session& session = test.session;
  for (int i = 0; i < 5; ++i) session.PlayStep();
  for (const int head : {0, 1, -1, 0}) {
    session.Apply(Control::kHead);
    EXPECT_EQ(session.head(), head);
  }
  TestSession nobody(Oracle(10));
  nobody.session.Apply(Control::kHead);
  EXPECT_EQ(nobody.session.head(), -1);
}

TEST(Session, CyclesOrdersAndSwitches) {
  TestSession test(Oracle(10));
  Session& session = test.session;
  for (const MemoryOrder order : {MemoryOrder::kSpan, MemoryOrder::kAttention, MemoryOrder::kTime}) {
    session.Apply(Control::kOrder);
    EXPECT_EQ(session.order(), order);
  }
  for (const bool on : {true, false}) {
    session.Apply(Control::kOnlyLiving), session.Apply(Control::kBlind), session.Apply(Control::kHelp);
    EXPECT_EQ(session.only_living(), on);
    EXPECT_EQ(session.is_blind(), on);
    EXPECT_EQ(session.shows_help(), on);
  }
  session.Apply(Control::kHelp);
  session.Select(MemoryPlace{0, 0, 3});
  session.Apply(Control::kCancel);
  EXPECT_FALSE(session.shows_help());
  EXPECT_EQ(session.selected(), std::nullopt);
  EXPECT_FALSE(session.wants_to_quit());
  session.Apply(Control::kQuit);
  EXPECT_TRUE(session.wants_to_quit());
}

TEST(Session, ZoomHasBounds) {
  TestSession test(Oracle(10));
  Session& session = test.session;
  session.Apply(Control::kZoomIn);
  EXPECT_EQ(session.zoom(), 1.25);
  session.Apply(Control::kZoomOut);
  EXPECT_EQ(session.zoom(), 1);
  for (int i = 0; i < 20; ++i) session.Apply(Control::kZoomIn);
  EXPECT_EQ(session.zoom(), 4);
  for (int i = 0; i < 40; ++i) session.Apply(Control::kZoomOut);
  EXPECT_EQ(session.zoom(), 0.5);
}

TEST(Session, TwoOfUnequalLengthGoOnTogether) {
  TestSession test(Two(Oracle(5), Oracle(9)));
  Session& session = test.session;
  for (int i = 0; i < 7; ++i) EXPECT_TRUE(session.PlayStep());
  EXPECT_FALSE(session.has_ended());
  EXPECT_EQ(session.step(), 7);
  EXPECT_EQ(session.newest(), 7);
  EXPECT_EQ(session.StepOf(0), 5) << "its last";
  EXPECT_EQ(session.StepOf(1), 7);
  EXPECT_TRUE(session.PlayStep());
  EXPECT_TRUE(session.PlayStep());
  EXPECT_TRUE(session.has_ended());
  EXPECT_FALSE(session.PlayStep());
  EXPECT_EQ(session.newest(), 9);
  session.ShowStep(3);
  EXPECT_EQ(session.StepOf(0), 3);
  EXPECT_EQ(session.StepOf(1), 3);
  session.SetPlaying(true);
  session.Advance(1, kGoOn);
  EXPECT_EQ(session.step(), 9) << "through the steps of the longer one";
}

constexpr int kRight = 1, kLeft = 3;

TEST(Session, APersonActs) {
  TestSession test(Person(5));
  Session& session = test.session;
  EXPECT_TRUE(session.is_person());
  session.Advance(10, kGoOn);
  session.Apply(Control::kStepForward);
  session.Apply(Control::kLast);
  session.Advance(10, kGoOn);
  EXPECT_EQ(session.newest(), 0) << "nobody else does";
  session.Act(kRight);
  EXPECT_EQ(session.step(), 1);
  EXPECT_EQ(session.seats()[0].episode->At(0).action, kRight);
  session.Act(kLeft);
  EXPECT_EQ(session.step(), 2);
  EXPECT_EQ(session.seats()[0].course.reward.size(), 2u);
}

TEST(Session, APersonActsAtTheNewestStepOnly) {
  TestSession test(Person(5));
  Session& session = test.session;
  for (int i = 0; i < 3; ++i) session.Act(kRight);
  session.Apply(Control::kStepBack);
  session.Act(kRight);
  EXPECT_EQ(session.newest(), 3);
  EXPECT_EQ(session.step(), 2);
  EXPECT_THAT(session.note(), HasSubstr("played already"));
  session.Apply(Control::kStepForward);
  EXPECT_EQ(session.step(), 3);
  session.ShowStep(0);
  session.Apply(Control::kLast);
  EXPECT_EQ(session.step(), 3);
  session.Act(kRight);
  EXPECT_EQ(session.newest(), 4);
}

TEST(Session, AfterTheEndAPersonsActionBeginsTheNextLevel) {
  TestSession test(Person(5));
  Session& session = test.session;
  while (!session.has_ended()) session.Act(session.episode(0).Choose(Chooser::kOracle));
  EXPECT_EQ(session.step(), 5);
  session.Advance(100, kGoOn);
  EXPECT_EQ(session.number(), 0u) << "not by itself";
  session.Act(kRight);
  EXPECT_EQ(session.number(), 1u);
  EXPECT_EQ(session.step(), 0) << "that key was no action yet";
}

TEST(Session, AnActionThatDoesNotExistIsANote) {
  TestSession test(Person(5));
  test.session.Act(17);
  EXPECT_THAT(test.session.note(), HasSubstr("17"));
  EXPECT_EQ(test.session.step(), 0);
}

TEST(Session, NobodyElsesActionsCount) {
  TestSession test(Oracle(5));
  test.session.Act(kRight);
  EXPECT_EQ(test.session.newest(), 0);
}

TEST(Session, APersonChoosesTheActions) {
  TestSession test(Person(5));
  test.session.Apply(Control::kChooser);
  EXPECT_THAT(test.session.note(), HasSubstr("you choose"));
}

TEST(Session, AReplayTakesTheActionsThatWereRecorded) {
  TestSession test(Replay(9, {kRight, kRight, kLeft}));
  Session& session = test.session;
  EXPECT_TRUE(session.is_replay());
  session.Advance(2, kGoOn);
  EXPECT_EQ(session.newest(), 3);
  EXPECT_TRUE(session.has_ended()) << "no more of it was recorded";
  EXPECT_FALSE(session.PlayStep());
  for (int64_t step = 0; step < 3; ++step)
    EXPECT_EQ(session.episode(0).At(step).action, test.players[0]->recorded[static_cast<size_t>(step)]);
  session.Advance(100, kGoOn);
  EXPECT_EQ(session.newest(), 3);
  EXPECT_EQ(session.number(), 0u);
}

TEST(Session, AReplayIsFixed) {
  TestSession test(Replay(9, {kRight, kRight}));
  Session& session = test.session;
  session.PlayStep();
  for (const Control control :
       {Control::kNewSeed, Control::kGivenSeed, Control::kNextEpisode, Control::kPreviousEpisode, Control::kChooser}) {
    session.Say("");
    session.Apply(control);
    EXPECT_THAT(session.note(), HasSubstr("a saved episode"));
    EXPECT_FALSE(session.is_typing());
    EXPECT_EQ(session.step(), 1);
  }
}

TEST(Session, WhatCannotBeginIsANoteAndWhatIsShownStays) {
  TestSession test(Two(Oracle(9), Oracle(9)));
  Session& session = test.session;
  session.Advance(0.5, kGoOn);
  session.Select(MemoryPlace{0, 0, 1});
  test.players[1]->error = "the run is gone\nin detail";
  session.Apply(Control::kNextEpisode);
  EXPECT_EQ(session.note(), "the run is gone");
  EXPECT_EQ(session.number(), 0u);
  EXPECT_EQ(session.step(), 4);
  EXPECT_EQ(session.seats()[0].episode->number(), 0u) << "all or none";
  EXPECT_NE(session.selected(), std::nullopt);
  test.players[1]->error = "";
  session.Apply(Control::kNextEpisode);
  EXPECT_EQ(session.number(), 1u);
  EXPECT_EQ(session.selected(), std::nullopt);
}

/// With weights that are good again, say.
TEST(Session, WhatCannotBeginIsTriedAgainAfterAnotherRest) {
  TestSession test(Oracle(9));
  Session& session = test.session;
  session.Advance(2, kGoOn);
  test.players[0]->error = "no";
  for (int frames = 0; frames < 60; ++frames) session.Advance(kRest / 20, kGoOn);
  EXPECT_EQ(session.number(), 0u);
  EXPECT_TRUE(session.is_playing());
  EXPECT_LE(test.players[0]->begins, 1 + 3) << "not with every frame";
  EXPECT_GE(test.players[0]->begins, 1 + 2);
  test.players[0]->error = "";
  session.Advance(kRest, kGoOn);
  EXPECT_EQ(session.number(), 1u);
}

TEST(Session, NotesGrowOld) {
  TestSession test(Oracle(200));
  test.session.Say("hello");
  test.session.Advance(5, kEnough);
  EXPECT_EQ(test.session.note(), "hello");
  test.session.Advance(2, kEnough);
  EXPECT_EQ(test.session.note(), "");
}

TEST(Session, KeepsTheCourseOfTheEpisode) {
  const auto run = LongRun(kExpireSpan);
  TestSession test(std::make_unique<TestPlayer>(run, RandomPolicy(run)));
  Session& session = test.session;
  session.SetChooser(Chooser::kOracle);
  while (session.PlayStep()) {
  }
  const Course& course = session.seats()[0].course;
  const agents::PlayedEpisode& episode = session.episode(0);
  ASSERT_EQ(session.newest(), 60);
  ASSERT_EQ(course.reward.size(), 60u);
  ASSERT_EQ(course.value.size(), 61u);
  ASSERT_EQ(course.entropy.size(), 61u);
  ASSERT_EQ(course.living.size(), episode.At(0).living.size());
  std::vector<int64_t> cues;
  double longest = 1;
  for (int64_t step = 0; step <= 60; ++step) {
    const auto i = static_cast<size_t>(step);
    const agents::EpisodeStep& at = episode.At(step);
    if (step < 60) {
      EXPECT_EQ(course.reward[i], at.reward);
    }
    EXPECT_EQ(course.value[i], at.value);
    double entropy = 0;
    for (const float p : at.probabilities) entropy -= p > 0 ? p * std::log(p) : 0;
    EXPECT_NEAR(course.entropy[i], entropy, 1e-5);
    for (size_t l = 0; l < at.living.size(); ++l) EXPECT_EQ(course.living[l][i], static_cast<float>(at.living[l]));
    for (const double span : at.spans) longest = std::max(longest, span);
    if (at.is_cue) cues.push_back(step);
  }
  EXPECT_EQ(course.cues, cues);
  EXPECT_EQ(course.rewards, std::vector<int64_t>{60}) << "the door, on whose step it is seen";
  EXPECT_EQ(session.seats()[0].longest_span, longest);
}

/// A policy whose weights are no longer numbers from some step on.
class FailingSession : public testing::Test {
 protected:
  void PlayThenPoison(int steps) {
    for (int i = 0; i < steps; ++i) ASSERT_TRUE(session_.PlayStep());
    Poison(*policy_);
  }
  void ExpectShown(int64_t step) {
    EXPECT_EQ(session_.step(), step);
    EXPECT_EQ(session_.newest(), step);
    Describe(session_, {}, frame_);
    EXPECT_EQ(frame_.agents[0].newest, step);
    EXPECT_EQ(frame_.agents[0].course->value.size(), static_cast<size_t>(step) + 1);
  }

  const std::shared_ptr<const agents::RunOptions> run_ = LongRun(kExpireSpan);
  const std::shared_ptr<const agents::FixedPolicy> policy_ = RandomPolicy(run_);
  TestSession test_{std::make_unique<TestPlayer>(run_, policy_)};
  Session& session_ = test_.session;
  Frame frame_;
};

TEST_F(FailingSession, PausesAndSaysWhy) {
  PlayThenPoison(5);
  session_.Advance(1, kGoOn);
  EXPECT_FALSE(session_.is_playing());
  EXPECT_THAT(session_.note(), HasSubstr("memory step"));
  ExpectShown(5);
  EXPECT_THAT(frame_.agents[0].problem, HasSubstr("memory step")) << "notes grow old, this stays";
  EXPECT_EQ(frame_.note, session_.note());
  EXPECT_TRUE(session_.has_ended());
  session_.Apply(Control::kStepForward);
  session_.Apply(Control::kLast);
  session_.Advance(1, kGoOn);
  ExpectShown(5);
}

TEST_F(FailingSession, PausesInEveryWayOfPlaying) {
  PlayThenPoison(3);
  session_.Apply(Control::kUnlimited);
  session_.Advance(1, kGoOn);
  EXPECT_FALSE(session_.is_playing());
  ExpectShown(3);
}

TEST_F(FailingSession, PausesOnTheWayToTheEnd) {
  PlayThenPoison(3);
  session_.Apply(Control::kLast);
  session_.Advance(1, kGoOn);
  EXPECT_FALSE(session_.is_playing());
  EXPECT_THAT(session_.note(), HasSubstr("memory step"));
  ExpectShown(3);
}

TEST_F(FailingSession, SaysWhyAfterOneStepToo) {
  PlayThenPoison(3);
  session_.Apply(Control::kStepForward);
  EXPECT_THAT(session_.note(), HasSubstr("memory step"));
  ExpectShown(3);
}

/// A recording ends with the error instead.
TEST_F(FailingSession, PlayStepThrows) {
  PlayThenPoison(3);
  EXPECT_THROW(session_.PlayStep(), memory::NotFinite);
  EXPECT_FALSE(session_.PlayStep());
  ExpectShown(3);
}

TEST_F(FailingSession, AnotherEpisodeBeginsAfresh) {
  const std::vector<float> weights = policy_->parameters;
  PlayThenPoison(4);
  session_.Advance(1, kGoOn);
  session_.Apply(Control::kNextEpisode);
  EXPECT_EQ(session_.number(), 0u) << "still the same weights";
  EXPECT_THAT(session_.note(), HasSubstr("memory step"));
  ExpectShown(4);
  agents::FlatParameters(const_cast<agents::Policy&>(*policy_->policy)).Write(weights);
  session_.Apply(Control::kNextEpisode);
  EXPECT_EQ(session_.number(), 1u);
  ExpectShown(0);
  EXPECT_EQ(frame_.agents[0].problem, "");
  EXPECT_FALSE(session_.has_ended());
  EXPECT_TRUE(session_.PlayStep());
}

TEST_F(FailingSession, MemoriesThatCannotBeComputedAreANote) {
  PlayThenPoison(30);
  session_.ShowStep(4);
  session_.SetPlaying(true);
  EXPECT_THAT(session_.MemoriesOf(0), IsEmpty());
  EXPECT_FALSE(session_.is_playing());
  session_.Say("");
  session_.Select(MemoryPlace{0, 0, 2});
  session_.SetPlaying(true);
  for (int frames = 0; frames < 3; ++frames) {
    Describe(session_, {}, frame_);
    EXPECT_THAT(frame_.note, HasSubstr("memory step"));
    EXPECT_FALSE(frame_.is_playing);
    EXPECT_THAT(frame_.agents[0].layers, IsEmpty());
    EXPECT_NE(frame_.selected, std::nullopt) << "what was seen then is known all the same";
  }
  session_.Apply(Control::kHead);
  EXPECT_EQ(session_.step(), 4);
}

TEST_F(FailingSession, TheOtherOfTwoCanGoOn) {
  TestSession both(Two(std::make_unique<TestPlayer>(run_, policy_), Oracle(60)));
  Session& session = both.session;
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(session.PlayStep());
  Poison(*policy_);
  session.Advance(0.25, kGoOn);
  EXPECT_FALSE(session.is_playing());
  EXPECT_FALSE(session.has_ended());
  session.SetPlaying(true);
  session.Advance(1, kGoOn);
  EXPECT_EQ(session.step(), 13);
  EXPECT_EQ(session.StepOf(0), 5);
  EXPECT_EQ(session.StepOf(1), 13);
  Describe(session, {}, frame_);
  EXPECT_THAT(frame_.agents[0].problem, HasSubstr("memory step"));
  EXPECT_EQ(frame_.agents[1].problem, "");
}

}  // namespace
}  // namespace lethe::tools
