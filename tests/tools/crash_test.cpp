// What a run survives: kill -9, signals, damaged and unwritable files, a diverging loss.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "configs/run_folder.h"
#include "tests/child_process.h"
#include "tests/tools/program.h"

namespace lethe {
namespace {

namespace fs = std::filesystem;
using configs::RunFolder;
using configs::SafetensorsFile;
using testing::HasSubstr;
using tests::Program;
using tests::RunLethe;
using tests::TemporaryFolder;
using tests::TrainTiny;

const std::vector<std::string> kTwoPhases = {"--quiet",
                                             "train.max_steps=3000",
                                             "consolidate.max_steps=3000",
                                             "curriculum.start=3",
                                             "curriculum.threshold=0.2",
                                             "curriculum.episodes=64",
                                             "log.checkpoint_interval_steps=250",
                                             "log.eval_episodes=0"};

SafetensorsFile Newest(const std::string& run_dir) {
  return RunFolder::Open(run_dir).NewestGoodCheckpoint([](const std::string& warning) { ADD_FAILURE() << warning; });
}

/// Everything that decides how a training would go on, as bytes: all but the wall time.
void ExpectSameState(const SafetensorsFile& a, const SafetensorsFile& b) {
  ASSERT_EQ(a.tensors().size(), b.tensors().size());
  for (const auto& tensor : a.tensors())
    EXPECT_TRUE(std::ranges::equal(tensor.bytes, b.Find(tensor.name).bytes)) << tensor.name << " differs";
  for (const auto& [key, value] : a.metadata()) {
    if (key == "seconds") continue;
    EXPECT_EQ(value, b.metadata().at(key)) << key;
  }
}

int64_t NewestSteps(const std::string& run_dir) {
  int64_t newest = 0;
  std::error_code not_yet;
  for (const auto& entry : fs::directory_iterator(run_dir + "/checkpoints", not_yet)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".safetensors")) newest = std::max(newest, int64_t{std::stoll(name.substr(5))});
  }
  return newest;
}

/// Starts the words, sends the signal as soon as a checkpoint of at least `steps` steps is there.
tests::Ended InterruptAt(const TemporaryFolder& folder, const std::vector<std::string>& words, int64_t steps,
                         int signal) {
  Program program(folder.path(), words);
  tests::WaitUntil(program, [&] { return NewestSteps(folder / "run") >= steps; });
  program.Send(signal);
  return program.Wait();
}

TEST(CrashTrain, KilledAndResumedRunEndsWithTheSameWeights) {
  const TemporaryFolder whole;
  ASSERT_EQ(RunLethe(whole.path(), TrainTiny("run", kTwoPhases)).exit_code, 0);
  const auto expected = Newest(whole / "run");
  int killed = 0;  // on a busy machine a run may end before its signal comes
  for (const int64_t steps : {1, 1200, 2700, 3050, 4000, 5000}) {  // consolidation begins after 3,000
    const TemporaryFolder folder;
    killed += InterruptAt(folder, TrainTiny("run", kTwoPhases), steps, SIGKILL).signal == SIGKILL;
    const auto resumed = RunLethe(folder.path(), {"train", "--resume", "--run-dir", "run", "--quiet"});
    ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
    ExpectSameState(expected, Newest(folder / "run"));
  }
  EXPECT_GE(killed, 4);
}

TEST(CrashTrain, RunKilledManyTimesEndsWithTheSameWeights) {
  const TemporaryFolder whole, folder;
  ASSERT_EQ(RunLethe(whole.path(), TrainTiny("run", kTwoPhases)).exit_code, 0);
  InterruptAt(folder, TrainTiny("run", kTwoPhases), 1, SIGKILL);
  for (int kill = 0; kill < 4; ++kill)
    InterruptAt(folder, {"train", "--resume", "--run-dir", "run"}, NewestSteps(folder / "run") + 1, SIGKILL);
  ASSERT_EQ(RunLethe(folder.path(), {"train", "--resume", "--run-dir", "run"}).exit_code, 0);
  ExpectSameState(Newest(whole / "run"), Newest(folder / "run"));
}

TEST(CrashTrain, FinishedRunTrainedLongerEqualsALongRun) {
  const TemporaryFolder whole, folder;
  ASSERT_EQ(RunLethe(whole.path(), TrainTiny("run", kTwoPhases)).exit_code, 0);
  auto shorter = kTwoPhases;
  shorter[1] = "train.max_steps=1000";
  shorter[2] = "consolidate.max_steps=0";
  ASSERT_EQ(RunLethe(folder.path(), TrainTiny("run", shorter)).exit_code, 0);
  for (const char* longer : {"train.max_steps=3000", "consolidate.max_steps=3000"})
    ASSERT_EQ(RunLethe(folder.path(), {"train", "--resume", "--run-dir", "run", longer}).exit_code, 0);
  ExpectSameState(Newest(whole / "run"), Newest(folder / "run"));
}

TEST(CrashTrain, ResumedMetricsHaveNoGapAndNoRepetition) {
  const TemporaryFolder folder;
  InterruptAt(folder, TrainTiny("run", kTwoPhases), 2000, SIGKILL);
  ASSERT_EQ(RunLethe(folder.path(), {"train", "--resume", "--run-dir", "run"}).exit_code, 0);
  std::istringstream lines(configs::ReadWholeFile(folder / "run/metrics.jsonl"));
  int64_t updates = 0;
  for (std::string line; std::getline(lines, line);) {
    const size_t at = line.find("\"updates\":") + 10;
    const int64_t now = std::stoll(line.substr(at));
    EXPECT_GT(now, updates);
    EXPECT_LE(now, updates + 10);
    updates = now;
  }
}

class CrashSignal : public testing::TestWithParam<int> {};

TEST_P(CrashSignal, WritesACheckpointAndSaysHowToGoOn) {
  const TemporaryFolder folder;
  const std::vector<std::string> words =
      TrainTiny("run", {"train.max_steps=1e9", "log.checkpoint_interval_steps=1e9", "log.eval_episodes=0"});
  Program program(folder.path(), words);
  ASSERT_TRUE(tests::WaitUntil(program, [&] {
    return fs::exists(folder / "run/metrics.jsonl") && fs::file_size(folder / "run/metrics.jsonl") > 0;
  }));
  const auto sent = std::chrono::steady_clock::now();
  program.Send(GetParam());
  const auto ended = program.Wait();
  EXPECT_LT(std::chrono::steady_clock::now() - sent, std::chrono::seconds(5));
  EXPECT_EQ(ended.exit_code, 128 + GetParam()) << ended.err;
  EXPECT_THAT(ended.out, HasSubstr("a checkpoint is written. Go on with:\n  "));
  EXPECT_THAT(ended.out, HasSubstr(" train --resume --run-dir run\n"));
  EXPECT_GT(NewestSteps(folder / "run"), 0);
  EXPECT_EQ(Newest(folder / "run").metadata().at("env_steps"), std::to_string(NewestSteps(folder / "run")));
}

INSTANTIATE_TEST_SUITE_P(Stop, CrashSignal, testing::Values(SIGINT, SIGTERM),
                         [](const auto& test) { return test.param == SIGINT ? "SIGINT" : "SIGTERM"; });

TEST(CrashTrain, SignalledAndResumedRunEndsWithTheSameWeights) {
  const TemporaryFolder whole, folder;
  ASSERT_EQ(RunLethe(whole.path(), TrainTiny("run", kTwoPhases)).exit_code, 0);
  EXPECT_EQ(InterruptAt(folder, TrainTiny("run", kTwoPhases), 3500, SIGTERM).exit_code, 128 + SIGTERM);
  ASSERT_EQ(RunLethe(folder.path(), {"train", "--resume", "--run-dir", "run"}).exit_code, 0);
  ExpectSameState(Newest(whole / "run"), Newest(folder / "run"));
}

void Damage(const std::string& path) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(fs::file_size(path) / 2));
  file.put('!').put('?');
}

TEST(CrashTrain, DamagedNewestCheckpointFallsBackWithAWarning) {
  const TemporaryFolder whole, folder;
  ASSERT_EQ(RunLethe(whole.path(), TrainTiny("run", kTwoPhases)).exit_code, 0);
  InterruptAt(folder, TrainTiny("run", kTwoPhases), 1500, SIGKILL);
  const std::string newest = RunFolder::Open(folder / "run").Checkpoints().front();
  Damage(newest);
  const auto resumed = RunLethe(folder.path(), {"train", "--resume", "--run-dir", "run"});
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_THAT(resumed.err, HasSubstr("lethe: warning: run/checkpoints/" + fs::path(newest).filename().string()));
  ExpectSameState(Newest(whole / "run"), Newest(folder / "run"));
}

TEST(CrashTrain, NoGoodCheckpointIsAnErrorAndNeverAFreshStart) {
  const TemporaryFolder folder;
  ASSERT_EQ(RunLethe(folder.path(), TrainTiny("run", kTwoPhases)).exit_code, 0);
  for (const std::string& path : RunFolder::Open(folder / "run").Checkpoints()) Damage(path);
  const auto resumed = RunLethe(folder.path(), {"train", "--resume", "--run-dir", "run"});
  EXPECT_EQ(resumed.exit_code, 2);
  EXPECT_THAT(resumed.err, HasSubstr("none of its 3 checkpoints can be read"));
}

TEST(CrashTrain, DeathBeforeTheFirstCheckpointIsExplained) {
  const TemporaryFolder folder;
  {
    Program program(folder.path(), TrainTiny("run", {"train.max_steps=1e9", "log.checkpoint_interval_steps=1e9"}));
    ASSERT_TRUE(tests::WaitUntil(program, [&] { return fs::exists(folder / "run/metrics.jsonl"); }));
  }
  const auto resumed = RunLethe(folder.path(), {"train", "--resume", "--run-dir", "run"});
  EXPECT_EQ(resumed.exit_code, 2);
  EXPECT_THAT(resumed.err, HasSubstr("run: has no checkpoint; start again"));
}

TEST(CrashTrain, SecondProcessOnARunIsRefused) {
  const TemporaryFolder folder;
  Program first(folder.path(), TrainTiny("run", {"train.max_steps=1e9"}));
  ASSERT_TRUE(tests::WaitUntil(first, [&] { return NewestSteps(folder / "run") > 0; }));
  const auto second = RunLethe(folder.path(), {"train", "--resume", "--run-dir", "run"});
  EXPECT_EQ(second.exit_code, 2);
  EXPECT_THAT(second.err, HasSubstr("is being written by another process (pid "));
  EXPECT_FALSE(first.HasEnded());
}

TEST(CrashTrain, FullDiskStopsWithTheLastCheckpointIntact) {
  const TemporaryFolder whole, folder;
  ASSERT_EQ(RunLethe(whole.path(), TrainTiny("run", kTwoPhases)).exit_code, 0);
  InterruptAt(folder, TrainTiny("run", kTwoPhases), 1500, SIGKILL);
  const auto full =
      RunLethe(folder.path(), {"train", "--resume", "--run-dir", "run"}, [] { tests::LimitFileSize(60'000); });
  EXPECT_EQ(full.exit_code, 1);
  EXPECT_THAT(full.err, HasSubstr("lethe: training stopped: run/checkpoints/step_"));
  EXPECT_THAT(full.err, HasSubstr("File too large; go on from the last checkpoint with: "));
  ASSERT_EQ(RunLethe(folder.path(), {"train", "--resume", "--run-dir", "run"}).exit_code, 0);
  ExpectSameState(Newest(whole / "run"), Newest(folder / "run"));
}

TEST(CrashTrain, DivergingLossStopsWithTheLastCheckpointIntact) {
  const TemporaryFolder folder;
  const auto ended = RunLethe(
      folder.path(), TrainTiny("run", {"optimizer.learning_rate=10", "optimizer.max_grad_norm=0", "optimizer.beta2=0",
                                       "optimizer.epsilon=1e-15", "log.checkpoint_interval_steps=1"}));
  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_THAT(ended.err, HasSubstr("lethe: training stopped: the loss is not finite after "));
  EXPECT_THAT(ended.err, HasSubstr("go on from the last checkpoint with: "));
  EXPECT_GT(std::stoll(Newest(folder / "run").metadata().at("env_steps")), 0);
}

}  // namespace
}  // namespace lethe
