#include "tools/viewer/run_follower.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <thread>

#include "agents/flat_parameters.h"
#include "agents/trainer_state.h"
#include "configs/atomic_file.h"
#include "configs/document.h"
#include "configs/run_folder.h"
#include "tests/agents/tiny_run.h"
#include "tests/temporary_folder.h"
#include "tools/user_error.h"

namespace lethe::tools {
namespace {

namespace fs = std::filesystem;
using agents::MakeTinyRun;
using configs::RunFolder;
using testing::HasSubstr;
using tests::TemporaryFolder;

std::vector<float> Parameters(const agents::RunOptions& run, uint64_t seed) {
  torch::manual_seed(seed);
  agents::Policy policy(agents::MakePolicyOptions(run));
  return agents::FlatParameters(policy).Read();
}

void SaveWeights(const std::string& path, const agents::RunOptions& run, uint64_t seed, int64_t env_steps) {
  agents::Policy policy(agents::MakePolicyOptions(run));
  agents::SaveWeights(path, Parameters(run, seed), agents::LayoutOf(agents::FlatParameters(policy)), env_steps);
}

/// A run folder as training leaves it, without training.
class FollowedRun : public testing::Test {
 protected:
  /// Options of a run, written to its folder, which is made.
  std::unique_ptr<agents::RunOptions> Create(const std::vector<std::string>& more = {}) const {
    auto run = MakeTinyRun(more);
    RunFolder::Create(dir_).WriteConfig(agents::ToYaml(*run));
    return run;
  }
  std::string In(const std::string& name) const { return dir_ + "/" + name; }
  std::string Live() const { return In("live.safetensors"); }
  void Append(const std::string& text) const { std::ofstream(In("metrics.jsonl"), std::ios::app) << text; }

  /// Waits until the follower looks again.
  static bool PollAgain(RunFollower& follower) {
    std::this_thread::sleep_for(std::chrono::milliseconds(510));
    return follower.Poll();
  }

  static void ExpectPolicy(const RunFollower& follower, const agents::RunOptions& run, uint64_t seed) {
    EXPECT_EQ(follower.policy()->parameters, Parameters(run, seed));
  }

  std::string ErrorOf(const std::string& run, std::vector<std::string> overrides = {}) const {
    try {
      RunFollower(run, std::move(overrides));
    } catch (const UserError& error) {
      return error.what();
    } catch (const configs::OptionError& error) {
      return error.what();
    }
    return "";
  }

  const TemporaryFolder folder_;
  const std::string dir_ = folder_ / "run";
};

TEST_F(FollowedRun, NewWeightsAreTaken) {
  const auto run = Create();
  SaveWeights(Live(), *run, 1, 100);
  RunFollower follower(dir_, {});
  ExpectPolicy(follower, *run, 1);
  EXPECT_EQ(follower.name(), dir_);
  EXPECT_EQ(follower.policy()->env_steps, 100);
  EXPECT_EQ(follower.problem(), "");
  EXPECT_FALSE(follower.is_training());
  EXPECT_LT(follower.age_seconds(), 60);
  const auto before = follower.policy();
  EXPECT_FALSE(follower.Poll()) << "nothing is new";
  EXPECT_EQ(follower.policy(), before);
  SaveWeights(Live(), *run, 2, 200);
  EXPECT_FALSE(follower.Poll()) << "at most twice a second";
  EXPECT_TRUE(PollAgain(follower));
  ExpectPolicy(follower, *run, 2);
  EXPECT_EQ(follower.policy()->env_steps, 200);
  ExpectPolicy(follower, *run, 2);
}

TEST_F(FollowedRun, ADamagedFileLeavesTheWeightsBefore) {
  const auto run = Create();
  SaveWeights(Live(), *run, 1, 100);
  RunFollower follower(dir_, {});
  fs::resize_file(Live(), fs::file_size(Live()) / 2);
  EXPECT_FALSE(follower.Poll());
  EXPECT_THAT(follower.problem(), testing::StartsWith("live.safetensors is damaged (live.safetensors: "));
  EXPECT_THAT(follower.problem(), testing::EndsWith("); the weights before it stay"));
  ExpectPolicy(follower, *run, 1);
  SaveWeights(Live(), *run, 2, 200);
  EXPECT_TRUE(PollAgain(follower));
  EXPECT_EQ(follower.problem(), "");
  ExpectPolicy(follower, *run, 2);
}

TEST_F(FollowedRun, AnEmptyFileLeavesTheWeightsBefore) {
  const auto run = Create();
  SaveWeights(Live(), *run, 1, 100);
  RunFollower follower(dir_, {});
  fs::resize_file(Live(), 0);
  EXPECT_FALSE(follower.Poll());
  EXPECT_THAT(follower.problem(), HasSubstr("too short"));
  ExpectPolicy(follower, *run, 1);
}

TEST_F(FollowedRun, ADeletedFileLeavesTheWeightsBefore) {
  const auto run = Create();
  SaveWeights(Live(), *run, 1, 100);
  RunFollower follower(dir_, {});
  fs::remove(Live());
  EXPECT_FALSE(follower.Poll());
  EXPECT_EQ(follower.problem(), "live.safetensors is gone; these are the weights before");
  ExpectPolicy(follower, *run, 1);
}

TEST_F(FollowedRun, ADeletedFolderThatComesBackIsFollowed) {
  const auto run = Create();
  SaveWeights(Live(), *run, 1, 100);
  RunFollower follower(dir_, {});
  fs::remove_all(dir_);
  EXPECT_FALSE(follower.Poll());
  EXPECT_EQ(follower.problem(), "the run's folder is gone; these are its last weights");
  ExpectPolicy(follower, *run, 1);
  Create();
  SaveWeights(Live(), *run, 3, 50);
  EXPECT_TRUE(PollAgain(follower));
  EXPECT_EQ(follower.problem(), "");
  ExpectPolicy(follower, *run, 3);
}

/// Other shapes, another environment: nothing of the old run may be left.
TEST_F(FollowedRun, ARunReplacedByAnotherOneIsTaken) {
  SaveWeights(Live(), *Create(), 1, 100);
  RunFollower follower(dir_, {});
  fs::remove_all(dir_);
  auto other = agents::MakeRun({"env.id=RepeatPrevious-v0", "memory.core=gru", "memory.dim=24"});
  RunFolder::Create(dir_).WriteConfig(agents::ToYaml(*other));
  SaveWeights(Live(), *other, 2, 7);
  EXPECT_TRUE(follower.Poll());
  EXPECT_EQ(follower.policy()->options->env.id, "RepeatPrevious-v0");
  EXPECT_EQ(follower.policy()->policy->core().dim(), 24);
  EXPECT_EQ(follower.policy()->env_steps, 7);
  EXPECT_EQ(follower.problem(), "the run's options have changed; they were taken over with its weights");
  ExpectPolicy(follower, *other, 2);
}

/// A run replaced by one that cannot be shown (yet).
TEST_F(FollowedRun, ReplacementsThatCannotBeUsedLeaveTheWeightsBefore) {
  const auto run = Create();
  SaveWeights(Live(), *run, 1, 100);
  const std::string config = configs::ReadWholeFile(In("config.yaml"));
  const std::vector<std::pair<std::string, std::string>> replacements = {
      {"env:\n  id: NoSuch-v0\n", "the run's new config.yaml cannot be used (config.yaml:2:"},
      {"task:\n  id: Copy-v0\n", "lethe inspect"},
      {"a: [", "cannot be used (config.yaml"}};
  for (const auto& [text, problem] : replacements) {
    RunFollower follower(dir_, {"env.length_max=4"});
    configs::WriteFileAtomically(In("config.yaml"), text);
    EXPECT_FALSE(follower.Poll());
    EXPECT_THAT(follower.problem(), HasSubstr(problem));
    ExpectPolicy(follower, *run, 1);
    configs::WriteFileAtomically(In("config.yaml"), config);
  }
  RunFollower follower(dir_, {"env.length_max=4"});
  auto wider = MakeTinyRun({"memory.layers=3"});
  configs::WriteFileAtomically(In("config.yaml"), agents::ToYaml(*wider));  // its weights are still to come
  EXPECT_FALSE(follower.Poll());
  EXPECT_THAT(follower.problem(), HasSubstr("live.safetensors does not fit the run's options"));
  ExpectPolicy(follower, *run, 1);
  SaveWeights(Live(), *wider, 5, 1);
  EXPECT_TRUE(PollAgain(follower));
  ExpectPolicy(follower, *wider, 5);
}

TEST_F(FollowedRun, BeforeThereAreLiveWeightsTheNewestGoodCheckpointIsUsed) {
  const auto run = Create();
  EXPECT_THAT(ErrorOf(dir_), HasSubstr("has no weights yet"));
  const auto folder = RunFolder::Open(dir_);
  SaveWeights(folder.CheckpointPath(100), *run, 1, 100);
  SaveWeights(folder.CheckpointPath(200), *run, 2, 200);
  std::ofstream(folder.CheckpointPath(300)) << "damaged";
  RunFollower follower(dir_, {});
  ExpectPolicy(follower, *run, 2);
  EXPECT_FALSE(follower.Poll());
  EXPECT_TRUE(fs::exists(folder.CheckpointPath(300))) << "readers rename nothing";
  SaveWeights(folder.CheckpointPath(400), *run, 4, 400);
  EXPECT_TRUE(PollAgain(follower));
  ExpectPolicy(follower, *run, 4);
}

TEST_F(FollowedRun, DamagedLiveWeightsAtTheStartGiveWayToACheckpoint) {
  const auto run = Create();
  std::ofstream(Live()) << "damaged";
  EXPECT_THAT(ErrorOf(dir_), HasSubstr("live.safetensors cannot be used"));
  SaveWeights(RunFolder::Open(dir_).CheckpointPath(100), *run, 1, 100);
  RunFollower follower(dir_, {});
  ExpectPolicy(follower, *run, 1);
  EXPECT_THAT(follower.problem(), HasSubstr("these are the weights of the newest checkpoint"));
  EXPECT_FALSE(follower.Poll());
  EXPECT_THAT(follower.problem(), HasSubstr("these are the weights of the newest checkpoint"));
}

TEST_F(FollowedRun, AFileOfWeightsIsFollowedWithTheConfigOfItsRun) {
  const auto run = Create();
  const std::string checkpoint = RunFolder::Open(dir_).CheckpointPath(100);
  SaveWeights(checkpoint, *run, 1, 100);
  SaveWeights(Live(), *run, 2, 200);
  const RunFollower from_above(checkpoint, {}), from_beside(Live(), {});
  ExpectPolicy(from_above, *run, 1);
  ExpectPolicy(from_beside, *run, 2);
  EXPECT_THAT(ErrorOf(folder_ / "none.safetensors"), HasSubstr("no such file"));
  fs::copy_file(Live(), folder_ / "alone.safetensors");
  EXPECT_THAT(ErrorOf(folder_ / "alone.safetensors"), HasSubstr("belongs to no run"));
}

TEST_F(FollowedRun, OverridesComeOnTopOfTheRunsOptions) {
  const auto run = Create({"curriculum.start=3"});  // more than the level below has
  SaveWeights(Live(), *run, 1, 100);
  const RunFollower follower(dir_, {"env.length_max=4"});
  EXPECT_EQ(follower.policy()->options->env.params->Get("length_max"), 4);
  EXPECT_EQ(follower.policy()->options->curriculum.start, 0);
  EXPECT_THAT(ErrorOf(dir_, {"env.length_maxx=4"}), HasSubstr("length_max"));
  EXPECT_THAT(ErrorOf(dir_, {"memory.dim=32"}), HasSubstr("has shape"));
  EXPECT_THAT(ErrorOf(dir_, {"memory.layers=3"}), HasSubstr("layers.2"));
  EXPECT_THAT(ErrorOf(dir_, {"env.view=5"}), HasSubstr("policy."));
}

TEST_F(FollowedRun, WhatIsNoRunIsRefused) {
  EXPECT_THAT(ErrorOf(folder_ / "none"), HasSubstr("no such run"));
  EXPECT_THAT(ErrorOf(folder_.path()), HasSubstr("not a run"));
  fs::create_directory(dir_);
  std::ofstream(In("config.yaml")) << "task:\n  id: Copy-v0\n";
  EXPECT_THAT(ErrorOf(dir_), HasSubstr("lethe inspect " + dir_));
}

TEST_F(FollowedRun, TheHolderOfTheLockIsTraining) {
  SaveWeights(Live(), *Create(), 1, 100);
  {
    const auto writer = RunFolder::Open(dir_, RunFolder::Access::kWrite);
    EXPECT_TRUE(RunFollower(dir_, {}).is_training());
  }
  EXPECT_FALSE(RunFollower(dir_, {}).is_training()) << "its name is still in the file";
  std::ofstream(In("lock")) << "pid 1 on another-machine";
  EXPECT_FALSE(RunFollower(dir_, {}).is_training());
  std::ofstream(In("lock")) << "?";
  EXPECT_FALSE(RunFollower(dir_, {}).is_training());
}

TEST_F(FollowedRun, MetricsAreReadAsTheyGrow) {
  SaveWeights(Live(), *Create(), 1, 100);
  Append(R"({"env_steps":10,"score":0.5,"living_memories":[3,4.5]})"
         "\n"
         R"({"env_steps":20,"score":null,"living_memories":[3,4]})"
         "\n"
         R"({"env_steps":30,"sco)");
  RunFollower follower(dir_, {});
  ASSERT_EQ(follower.progress().size(), 1u);
  EXPECT_EQ(follower.progress()[0].env_steps, 10);
  EXPECT_EQ(follower.progress()[0].score, 0.5);
  EXPECT_THAT(follower.progress()[0].living, testing::ElementsAre(3, 4.5));
  Append(R"(re":1,"living_memories":[]})"
         "\nnonsense\n[]\n{\"env_steps\":\"x\",\"score\":1}\n");
  follower.Poll();
  ASSERT_EQ(follower.progress().size(), 2u);
  EXPECT_EQ(follower.progress()[1].env_steps, 30);
  EXPECT_EQ(follower.progress()[1].score, 1);
  configs::WriteFileAtomically(In("metrics.jsonl"), "{\"env_steps\":10,\"score\":0.25}\n");  // resumed
  PollAgain(follower);
  ASSERT_EQ(follower.progress().size(), 1u);
  EXPECT_EQ(follower.progress()[0].score, 0.25);
}

TEST_F(FollowedRun, ManyMetricsAreThinned) {
  SaveWeights(Live(), *Create(), 1, 100);
  std::string lines;
  for (int i = 0; i < 9'000; ++i) lines += "{\"env_steps\":" + std::to_string(i) + ",\"score\":0}\n";
  Append(lines);
  const RunFollower follower(dir_, {});
  const auto& points = follower.progress();
  EXPECT_GT(points.size(), 1'000u);
  EXPECT_LE(points.size(), 2'000u);
  for (size_t i = 0; i < points.size(); ++i) EXPECT_EQ(points[i].env_steps, 8 * static_cast<double>(i));
}

/// Everything in the folder with size and time of change, and what the lock says.
std::map<std::string, std::pair<uintmax_t, fs::file_time_type>> Listing(const std::string& dir) {
  std::map<std::string, std::pair<uintmax_t, fs::file_time_type>> files;
  for (const auto& entry : fs::recursive_directory_iterator(dir))
    files[entry.path().string()] = {entry.is_regular_file() ? entry.file_size() : 0, entry.last_write_time()};
  files[dir] = {0, fs::last_write_time(dir)};
  return files;
}

TEST_F(FollowedRun, NothingIsEverWritten) {
  const auto run = Create();
  SaveWeights(Live(), *run, 1, 100);
  std::ofstream(RunFolder::Open(dir_).CheckpointPath(50)) << "damaged";
  Append("{\"env_steps\":1,\"sc");
  fs::remove(In("lock"));
  const auto before = Listing(dir_);
  RunFollower follower(dir_, {});
  follower.Poll();
  EXPECT_EQ(Listing(dir_), before);
  std::ofstream(Live()) << "damaged";
  const auto damaged = Listing(dir_);
  EXPECT_FALSE(PollAgain(follower));
  EXPECT_NE(follower.problem(), "");
  EXPECT_EQ(Listing(dir_), damaged);
}

/// A start must never fail because somebody looks.
TEST_F(FollowedRun, LookingDoesNotTakeTheLock) {
  SaveWeights(Live(), *Create(), 1, 100);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(200);
  std::thread looking([&] {
    while (std::chrono::steady_clock::now() < deadline) RunFollower(dir_, {}).is_training();
  });
  while (std::chrono::steady_clock::now() < deadline) EXPECT_NO_THROW(RunFolder::Open(dir_, RunFolder::Access::kWrite));
  looking.join();
}

}  // namespace
}  // namespace lethe::tools
