#include "configs/run_folder.h"

#include <unistd.h>

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "tests/child_process.h"
#include "tests/temporary_folder.h"

namespace lethe::configs {
namespace {

namespace fs = std::filesystem;
using tests::TemporaryFolder;
using Access = RunFolder::Access;

std::string MessageOf(const std::function<void()>& body) {
  try {
    body();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

RunFolder NewRun(const std::string& dir) {
  RunFolder run = RunFolder::Create(dir);
  run.WriteConfig("seed: 1\n");
  return run;
}

void WriteCheckpoint(const RunFolder& run, int64_t env_steps) {
  WriteSafetensors(run.CheckpointPath(env_steps), {}, {{"env_steps", std::to_string(env_steps)}});
}

/// Makes a checkpoint as short as a killed writer without temporaries would have left it.
void Damage(const RunFolder& run, int64_t env_steps) {
  const std::string path = run.CheckpointPath(env_steps);
  fs::resize_file(path, fs::file_size(path) / 2);
}

std::vector<int64_t> Steps(const RunFolder& run) {
  std::vector<int64_t> steps;
  for (const std::string& path : run.Checkpoints())
    steps.push_back(std::stoll(SafetensorsFile(path).metadata().at("env_steps")));
  return steps;
}

TEST(RunFolder, CreateMakesEverythingOnTheWay) {
  const TemporaryFolder folder;
  const RunFolder run = NewRun(folder / "runs/first/");
  EXPECT_EQ(run.dir(), folder / "runs/first");
  EXPECT_TRUE(fs::is_directory(folder / "runs/first/checkpoints"));
  EXPECT_TRUE(fs::is_directory(run.ReportDir()));
  EXPECT_EQ(ReadWholeFile(run.ConfigPath()), "seed: 1\n");
}

TEST(RunFolder, CreateRefusesAnExistingRun) {
  const TemporaryFolder folder;
  { NewRun(folder / "a"); }
  EXPECT_EQ(MessageOf([&] { RunFolder::Create(folder / "a"); }),
            (folder / "a") + ": already holds a run; continue it with --resume, or choose another --run-dir");
}

TEST(RunFolder, CreateAcceptsAFolderWithoutARun) {
  const TemporaryFolder folder;
  { RunFolder::Create(folder / "a"); }  // stopped before it wrote its config
  EXPECT_NO_THROW(RunFolder::Create(folder / "a"));
}

TEST(RunFolder, CreateRefusesLeftoversWithoutAConfig) {
  const TemporaryFolder folder;
  WriteCheckpoint(RunFolder::Create(folder / "a"), 10);
  EXPECT_NE(MessageOf([&] { RunFolder::Create(folder / "a"); }).find("already holds a run"), std::string::npos);
}

TEST(RunFolder, CreateSaysWhatIsInTheWay) {
  const TemporaryFolder folder;
  WriteFileAtomically(folder / "a", "a file");
  EXPECT_NE(MessageOf([&] { RunFolder::Create(folder / "a"); }).find(folder / "a"), std::string::npos);
  EXPECT_THROW(RunFolder::Create(""), std::invalid_argument);
}

TEST(RunFolder, OpenNamesTheNearestRun) {
  const TemporaryFolder folder;
  { NewRun(folder / "corridor"); }
  fs::create_directories(folder / "corridors");
  EXPECT_EQ(MessageOf([&] { RunFolder::Open(folder / "coridor"); }),
            (folder / "coridor") + ": no such run; did you mean `corridor`?");
  EXPECT_EQ(MessageOf([&] { RunFolder::Open(folder / "corridors/"); }),
            (folder / "corridors") + ": not a run (it has no config.yaml); did you mean `corridor`?");
  EXPECT_EQ(MessageOf([&] { RunFolder::Open("/nowhere/at/all"); }), "/nowhere/at/all: no such run");
}

TEST(RunFolder, CheckpointsAreSortedByStepsNotByName) {
  const TemporaryFolder folder;
  const RunFolder run = NewRun(folder / "a");
  EXPECT_EQ(run.CheckpointPath(1000), run.dir() + "/checkpoints/step_000000001000.safetensors");
  for (const int64_t steps : {int64_t{900}, int64_t{5'000'000'000'000}, int64_t{1000}}) WriteCheckpoint(run, steps);
  WriteFileAtomically(run.dir() + "/checkpoints/step_best.safetensors", "not one of ours");
  WriteFileAtomically(run.dir() + "/checkpoints/step_000000002000.safetensors.damaged", "");
  EXPECT_EQ(Steps(run), (std::vector<int64_t>{5'000'000'000'000, 1000, 900}));
}

TEST(RunFolder, KeepNewestRemovesOlderOnes) {
  const TemporaryFolder folder;
  const RunFolder run = NewRun(folder / "a");
  for (const int64_t steps : {10, 20, 30, 40}) WriteCheckpoint(run, steps);
  run.KeepNewest(2);
  EXPECT_EQ(Steps(run), (std::vector<int64_t>{40, 30}));
  run.KeepNewest(5);
  EXPECT_EQ(run.Checkpoints().size(), 2u);
  EXPECT_THROW(run.KeepNewest(0), std::invalid_argument);
}

TEST(RunFolder, SecondWriterIsRefusedAndReadersAreNot) {
  const TemporaryFolder folder;
  {
    const RunFolder writer = NewRun(folder / "a");
    const std::string message = tests::MessageFromChild([&] { RunFolder::Open(folder / "a", Access::kWrite); });
    EXPECT_TRUE(message.starts_with((folder / "a") + ": is being written by another process (pid " +
                                    std::to_string(::getpid()) + " on "))
        << message;
    EXPECT_EQ(MessageOf([&] { RunFolder::Open(folder / "a"); }), "");
    EXPECT_NE(MessageOf([&] { RunFolder::Create(folder / "a"); }), "");
  }
  EXPECT_NO_THROW(RunFolder::Open(folder / "a", Access::kWrite));
}

TEST(CrashRunFolder, KilledWriterLeavesNoLock) {
  const TemporaryFolder folder;
  { NewRun(folder / "a"); }
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  tests::ChildProcess writer([&] {
    const RunFolder run = RunFolder::Open(folder / "a", Access::kWrite);
    if (::write(ready[1], "x", 1) == 1) ::pause();
  });
  char byte;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_NE(MessageOf([&] { RunFolder::Open(folder / "a", Access::kWrite); }).find(std::to_string(writer.pid())),
            std::string::npos);
  writer.Kill();
  EXPECT_EQ(MessageOf([&] { RunFolder::Open(folder / "a", Access::kWrite); }), "");
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST(CrashRunFolder, WriterRemovesTemporariesOfAKilledOne) {
  const TemporaryFolder folder;
  { NewRun(folder / "a"); }
  WriteFileAtomically(folder / "a/live.safetensors.tmp-4711", "half");
  WriteFileAtomically(folder / "a/checkpoints/step_000000000010.safetensors.tmp-4711", "half");
  RunFolder::Open(folder / "a");
  EXPECT_TRUE(fs::exists(folder / "a/live.safetensors.tmp-4711"));
  RunFolder::Open(folder / "a", Access::kWrite);
  EXPECT_FALSE(fs::exists(folder / "a/live.safetensors.tmp-4711"));
  EXPECT_TRUE(fs::is_empty(folder / "a/checkpoints"));
}

TEST(CrashRunFolder, FallsBackToTheNewestGoodCheckpointAndSaysSo) {
  const TemporaryFolder folder;
  const RunFolder run = NewRun(folder / "a");
  for (const int64_t steps : {10, 20, 30, 40}) WriteCheckpoint(run, steps);
  Damage(run, 40);
  Damage(run, 30);
  std::vector<std::string> warnings;
  const auto warn = [&](const std::string& message) { warnings.push_back(message); };
  EXPECT_EQ(run.NewestGoodCheckpoint(warn).metadata().at("env_steps"), "20");
  ASSERT_EQ(warnings.size(), 2u);
  EXPECT_TRUE(warnings[0].starts_with(run.CheckpointPath(40) + ": ")) << warnings[0];
  EXPECT_TRUE(warnings[1].starts_with(run.CheckpointPath(30) + ": ")) << warnings[1];
}

TEST(CrashRunFolder, DamagedCheckpointsAreSetAsideByTheWriterOnly) {
  const TemporaryFolder folder;
  const RunFolder run = NewRun(folder / "a");
  for (const int64_t steps : {10, 20}) WriteCheckpoint(run, steps);
  Damage(run, 20);
  const auto ignore = [](const std::string&) {};
  RunFolder::Open(folder / "a").NewestGoodCheckpoint(ignore);
  EXPECT_EQ(run.Checkpoints().size(), 2u);
  run.NewestGoodCheckpoint(ignore);
  EXPECT_TRUE(fs::exists(run.CheckpointPath(20) + ".damaged"));
  run.KeepNewest(1);  // keeps the good one, although the damaged one had more steps
  EXPECT_EQ(Steps(run), std::vector<int64_t>{10});
}

TEST(CrashRunFolder, CheckpointThatCannotBeOpenedIsNotTakenForDamaged) {
  const TemporaryFolder folder;
  const RunFolder run = NewRun(folder / "a");
  WriteCheckpoint(run, 10);
  fs::create_symlink(run.CheckpointPath(20), run.CheckpointPath(20));  // "Too many levels of symbolic links"
  EXPECT_EQ(MessageOf([&] { run.NewestGoodCheckpoint([](const std::string&) {}); }),
            run.CheckpointPath(20) + ": cannot open: Too many levels of symbolic links");
  EXPECT_EQ(run.Checkpoints().size(), 2u);
}

TEST(CrashRunFolder, NeverStartsFromScratch) {
  const TemporaryFolder folder;
  const RunFolder run = NewRun(folder / "a");
  const auto ignore = [](const std::string&) {};
  EXPECT_EQ(MessageOf([&] { run.NewestGoodCheckpoint(ignore); }),
            run.dir() + ": has no checkpoint; start again with another --run-dir");
  WriteCheckpoint(run, 10);
  Damage(run, 10);
  EXPECT_EQ(MessageOf([&] { run.NewestGoodCheckpoint(ignore); }),
            run.dir() + ": none of its 1 checkpoints can be read; start again with another --run-dir");
}

}  // namespace
}  // namespace lethe::configs
