// What an open window makes of a run that changes under it, and of one that trains: `lethe train --view`.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <filesystem>
#include <fstream>

#include "tests/tools/viewer/window_fixture.h"

namespace lethe {
namespace {

namespace fs = std::filesystem;
using tests::Eventually;
using tests::Image;
using tests::Twin;
using tests::TwinOfRun;
using tests::WithoutStatus;
using tools::Control;

constexpr int kWidth = 900, kHeight = 600;
constexpr int kProblemFirst = 53, kProblemLast = 72;  // rows of the line that says what is wrong

class WindowFollows : public tests::WindowFixture {
 protected:
  void SetUp() override {
    if (!CanShow()) GTEST_SKIP() << "needs Xvfb and xdotool";
  }

  /// A window that waits at the first step of a run, and its twin, which follows the same run.
  void OpenRun() {
    twin_.emplace(TwinOfRun(run_, kWidth, kHeight));
    twin_->session.SetPlaying(false);
    Open({"view", run_, "--size", "900x600", "--paused"});
    ExpectTwin("at first");
  }
  void ExpectTwin(const std::string& after) { ExpectShows(*twin_, after); }

  /// Waits until the twin has noticed what happened, and the window says the same.
  void ExpectProblem(const std::string& part) {
    const auto problem = [&] { return twin_->session.seats()[0].player->problem(); };
    EXPECT_TRUE(Eventually([&] { return twin_->Draw(), problem().find(part) != std::string::npos; })) << problem();
    ExpectTwin(problem());
    EXPECT_NE(window_->Grab().Rows(kProblemFirst, kProblemLast), NoProblem()) << "it is written there";
  }
  static tests::Picture NoProblem() {
    return tests::Picture(static_cast<size_t>(kWidth * (kProblemLast - kProblemFirst)), 0xFF12141A);
  }
  void NextEpisode() {
    window_->Key("n");
    twin_->session.Apply(Control::kNextEpisode);
    ExpectTwin("n");
  }

  const std::string run_ = folder_ / "run";
  std::optional<Twin> twin_;
};

TEST_F(WindowFollows, ADeletedRunStaysOnScreenWithItsLastWeights) {
  tests::WriteTinyRun(run_);
  OpenRun();
  fs::remove_all(run_);
  ExpectProblem("the run's folder is gone");
  NextEpisode();
  ExpectQuits();
}

TEST_F(WindowFollows, DamagedWeightsAreNotTakenAndGoodOnesAfterThemAre) {
  tests::WriteTinyRun(run_);
  const std::string live = run_ + "/live.safetensors", good = configs::ReadWholeFile(live);
  OpenRun();
  EXPECT_EQ(window_->Grab().Rows(kProblemFirst, kProblemLast), NoProblem());
  std::ofstream(live) << good.substr(0, good.size() / 2);
  ExpectProblem("live.safetensors is damaged");
  NextEpisode();
  configs::WriteFileAtomically(live, good);
  ASSERT_TRUE(Eventually([&] { return twin_->Draw(), twin_->session.seats()[0].player->problem().empty(); }));
  ExpectTwin("good weights");
  NextEpisode();
  ExpectQuits();
}

TEST_F(WindowFollows, AnotherRunInItsPlaceIsTakenOverWithTheNextEpisode) {
  tests::WriteTinyRun(run_);
  OpenRun();
  tests::WritePortalRun(folder_ / "portal");
  fs::remove_all(run_);
  fs::rename(folder_ / "portal", run_);
  ExpectProblem("the run's options have changed");
  NextEpisode();
  EXPECT_EQ(twin_->session.seats()[0].player->env_id(), "Portal-Short-v0");
  ExpectQuits();
}

TEST_F(WindowFollows, ATrainingThatEndsLeavesItsLastWeights) {
  tests::Program training(
      folder_.path(),
      tests::TrainTiny(run_, {"--quiet", "train.max_steps=1e9", "log.eval_episodes=0", "log.live_seconds=0.2"}),
      tests::EndWithParent);
  ASSERT_TRUE(tests::WaitUntil(training, [&] { return fs::exists(run_ + "/live.safetensors"); }));
  Open({"view", run_, "--size", "900x600", "--paused"});
  training.Send(SIGTERM);
  EXPECT_EQ(training.Wait().exit_code, 128 + SIGTERM);
  twin_.emplace(TwinOfRun(run_, kWidth, kHeight));
  twin_->session.SetPlaying(false);
  EXPECT_TRUE(Eventually([&] {  // looks for weights twice a second; an episode begins with the newest ones
    window_->Key("p");
    return WithoutStatus(window_->Grab()) == WithoutStatus(twin_->Draw());
  }));
  ExpectTwin("the end of the training");
  ExpectQuits();
}

/// `lethe train --view`, whose viewer is a process of its own: this one adopts it when the training is gone.
class WindowBesideTraining : public WindowFollows {
 protected:
  void SetUp() override {
    WindowFollows::SetUp();
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  }
  void TearDown() override {
    if (viewer_ > 0) ::kill(viewer_, SIGKILL), ::waitpid(viewer_, nullptr, 0);
  }

  static std::vector<std::string> Tiny(const std::string& steps) {
    return tests::TrainTiny("run", {"--quiet", "--view", "log.eval_episodes=0", "train.max_steps=" + steps});
  }
  /// meanwhile: called once the training has started, before its window is waited for.
  void Train(const std::vector<std::string>& words, const std::function<void()>& meanwhile = {}) {
    program_ = std::make_unique<tests::Program>(folder_.path(), words, [here = display().Here()] {
      here();
      ::setpgid(0, 0);  // as a shell does
    });
    if (meanwhile) meanwhile();
    window_.emplace(display(), "^run - seed 1, episode [0-9]+ - lethe$");
    viewer_ = window_->Process();
  }

  void ExpectViewerQuits() {
    EXPECT_TRUE(window_->IsOpen());
    window_->Key("q");
    int status = -1;
    ASSERT_TRUE(Eventually([&] { return ::waitpid(viewer_, &status, WNOHANG) == viewer_; }));
    viewer_ = 0;
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  }

  pid_t viewer_ = 0;
};

TEST_F(WindowBesideTraining, StaysWhenTheTrainingHasEnded) {
  Train(Tiny("3000"));
  const auto ended = program_->Wait();
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_EQ(::getpgid(viewer_), viewer_) << "a group of its own, which Ctrl-C does not reach";
  EXPECT_EQ(::getpriority(PRIO_PROCESS, static_cast<id_t>(viewer_)), 10);
  ExpectViewerQuits();
}

TEST_F(WindowBesideTraining, KnowsThePluginsOfTheTraining) {
  std::ofstream(folder_ / "echo.yaml") << "env:\n  id: Echo-v0\n"
                                          "memory:\n  dim: 16\n  heads: 2\n  ffn: 32\n  span_limit: 16\n  ramp: 4\n"
                                          "train:\n  num_envs: 8\n  unroll_length: 8\n  max_steps: 100\n"
                                          "log:\n  eval_episodes: 0\n";
  Train({"train", "echo.yaml", "--run-dir", "run", "--quiet", "--view", "--plugin",
         LETHE_TEST_PLUGINS "/libplugin_echo.so"});
  EXPECT_EQ(program_->Wait().exit_code, 0);
  ExpectViewerQuits();
}

TEST_F(WindowBesideTraining, CtrlCStopsTheTrainingAndNotTheWindow) {
  pid_t training = 0;
  Train(Tiny("1e9"), [&] {
    const std::string metrics = run_ + "/metrics.jsonl";
    ASSERT_TRUE(tests::WaitUntil(*program_, [&] { return fs::exists(metrics) && fs::file_size(metrics) > 0; }));
    training = std::stoi(configs::ReadWholeFile(run_ + "/lock").substr(4));  // "pid 17 on desk"
    ::kill(training, SIGSTOP);  // a window yields to a training; this test does not want to wait for it
  });
  ASSERT_GT(training, 0);
  ::kill(training, SIGCONT);
  ASSERT_EQ(::kill(-training, SIGINT), 0);
  EXPECT_EQ(program_->Wait().exit_code, 128 + SIGINT);
  const Image before = window_->Grab();
  EXPECT_TRUE(Eventually([&] { return window_->Grab() != before; })) << "it plays on";
  ExpectViewerQuits();
}

}  // namespace
}  // namespace lethe
