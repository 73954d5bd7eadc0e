#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <numeric>
#include <sstream>

#include <nlohmann/json.hpp>

#include "configs/run_folder.h"
#include "tests/tools/program.h"

namespace lethe {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using tests::RunLethe;
using tests::TemporaryFolder;
using tests::TrainTiny;
using Json = nlohmann::ordered_json;

std::vector<Json> Lines(const std::string& path) {
  std::vector<Json> lines;
  std::istringstream text(configs::ReadWholeFile(path));
  for (std::string line; std::getline(text, line);) lines.push_back(Json::parse(line));
  return lines;
}

std::vector<std::string> Keys(const Json& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.push_back(key);
  return keys;
}

const std::vector<std::string> kEvaluationKeys = {"episodes",          "score",
                                                  "score_ci",          "metrics",
                                                  "living_memories",   "living_memories_max",
                                                  "resident_memories", "never_forgetting",
                                                  "span_cue",          "span_other",
                                                  "sees_last_action",  "steps_per_s"};

/// One finished run, shared by the tests that only look at it.
class FinishedRun : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    home = new TemporaryFolder;
    trained = RunLethe(home->path(), {"train", LETHE_TEST_DATA "/configs/tiny.yaml"});
    ASSERT_EQ(trained.exit_code, 0) << trained.err;
  }
  static void TearDownTestSuite() { delete home; }

  static std::string In(const std::string& name) { return *home / ("runs/tiny/" + name); }

  static inline TemporaryFolder* home = nullptr;
  static inline tests::Ended trained;
};

TEST_F(FinishedRun, HasEveryFile) {
  for (const char* name : {"config.yaml", "metrics.jsonl", "live.safetensors", "report/evaluation.json"})
    EXPECT_TRUE(fs::is_regular_file(In(name))) << name;
  const auto run = configs::RunFolder::Open(*home / "runs/tiny");
  EXPECT_EQ(run.Checkpoints().size(), 3u) << "log.keep_checkpoints";
  int events = 0;
  for (const auto& entry : fs::directory_iterator(In("")))
    events += entry.path().filename().string().starts_with("events.out.tfevents.");
  EXPECT_EQ(events, 1);
}

TEST_F(FinishedRun, MetricsAreLinesWithUnitsAndGrowingSteps) {
  const auto lines = Lines(In("metrics.jsonl"));
  ASSERT_GE(lines.size(), 3u);
  int64_t before = 0;
  for (const Json& line : lines) {
    for (const char* key : {"phase",
                            "env_steps",
                            "seconds",
                            "steps_per_s",
                            "score",
                            "curriculum",
                            "living_memories",
                            "living_memories_max",
                            "resident_memories",
                            "memory_bytes",
                            "never_forgetting",
                            "span_mean",
                            "policy_loss",
                            "value_loss",
                            "entropy",
                            "kl_per_episode",
                            "grad_norm",
                            "learning_rate",
                            "span_weight",
                            "policy_lag",
                            "share_envs",
                            "share_acting",
                            "share_learning",
                            "share_waiting",
                            "gflops"})
      EXPECT_TRUE(line.contains(key)) << key;
    EXPECT_EQ(line["living_memories"].size(), 2u);
    EXPECT_GT(line["env_steps"].get<int64_t>(), before);
    before = line["env_steps"].get<int64_t>();
  }
  EXPECT_GE(before, 4000);
}

TEST_F(FinishedRun, SaysScorePlaceAndWhatToTypeNext) {
  for (const char* part :
       {"score      ", "95 % interval", "layer 2", "run        runs/tiny", "eval runs/tiny --episodes 1000",
        "train --resume --run-dir runs/tiny train.max_steps=N", "GFLOP/s"})
    EXPECT_THAT(trained.out, HasSubstr(part));
  EXPECT_EQ(trained.err, "");
}

TEST_F(FinishedRun, ProgressWithoutTerminalIsPlainLines) {
  EXPECT_EQ(trained.out.find('\x1b'), std::string::npos);
  EXPECT_EQ(trained.out.find('\r'), std::string::npos);
  EXPECT_THAT(trained.out, testing::ContainsRegex("\nlearn +[0-9,]+ +[0-9]+ %"));
}

TEST_F(FinishedRun, ConfigRecordsBuildAndReadsBack) {
  const std::string text = configs::ReadWholeFile(In("config.yaml"));
  for (const char* fact : {"# git: ", "# compiler: ", "# flags: ", "# LibTorch: ", "# processor: "})
    EXPECT_THAT(text, HasSubstr(fact));
  const auto again = RunLethe(home->path(), {"train", "runs/tiny/config.yaml", "--run-dir", "again", "--quiet"});
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_EQ(configs::ReadWholeFile(*home / "again/config.yaml"), text);
}

TEST_F(FinishedRun, EvalPrintsOneObjectWithExactlyTheKeys) {
  const auto ended = RunLethe(home->path(), {"eval", "runs/tiny", "--episodes", "30", "--json", "env.length_max=7"});
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_EQ(std::count(ended.out.begin(), ended.out.end(), '\n'), 1);
  const Json json = Json::parse(ended.out);
  EXPECT_EQ(Keys(json), kEvaluationKeys);
  EXPECT_EQ(json["episodes"], 30);
  EXPECT_EQ(json["living_memories"].size(), 2u);
  EXPECT_LE(json["score_ci"][0], json["score"]);
  EXPECT_EQ(Keys(json["metrics"]), (std::vector<std::string>{"success", "wrong_door", "length", "steps"}));
  EXPECT_EQ(Keys(Json::parse(configs::ReadWholeFile(In("report/evaluation.json")))), kEvaluationKeys);
}

TEST_F(FinishedRun, EvalDoesNotDependOnThreads) {
  const auto play = [&](const char* threads) {
    Json json = Json::parse(
        RunLethe(home->path(), {"eval", "runs/tiny", "--episodes", "70", "--json", "--threads", threads}).out);
    json.erase("steps_per_s");
    return json;
  };
  const Json one = play("1"), three = play("3");
  EXPECT_EQ(one["score"], three["score"]);
  EXPECT_EQ(one["living_memories_max"], three["living_memories_max"]);
  EXPECT_NEAR(one["never_forgetting"].get<double>(), three["never_forgetting"].get<double>(), 1e-9);
}

TEST_F(FinishedRun, EvalTakesOtherWeightsAndGreedyActions) {
  const auto run = configs::RunFolder::Open(*home / "runs/tiny");
  const auto ended = RunLethe(
      home->path(), {"eval", "runs/tiny", "--greedy", "--episodes", "5", "--checkpoint", run.Checkpoints().back()});
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_THAT(ended.out, HasSubstr("5 episodes"));
}

TEST_F(FinishedRun, EvalRefusesOptionsOfAnotherNetwork) {
  const auto ended = RunLethe(home->path(), {"eval", "runs/tiny", "memory.dim=32"});
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_THAT(ended.err, HasSubstr("these options need"));
}

TEST_F(FinishedRun, NameIsNotUsedAgain) {
  const auto ended = RunLethe(home->path(), {"train", LETHE_TEST_DATA "/configs/tiny.yaml"});
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_THAT(ended.err, HasSubstr("already holds a run; continue it with --resume, or choose another --run-dir"));
}

TEST_F(FinishedRun, MisspeltRunIsGuessed) {
  EXPECT_THAT(RunLethe(home->path(), {"eval", "runs/tiyn"}).err, HasSubstr("did you mean `tiny`?"));
}

TEST_F(FinishedRun, ResumeKeepsTheRunsOptions) {
  const auto ended = RunLethe(home->path(), {"train", "--resume", "--run-dir", "runs/tiny", "seed=2"});
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_THAT(ended.err, HasSubstr("key `seed` cannot change while a run goes on"));
}

TEST_F(FinishedRun, ResumeOfAFinishedRunOnlyEvaluates) {
  const auto ended = RunLethe(home->path(), {"train", "--resume", "--run-dir", "runs/tiny"});
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_THAT(ended.out, HasSubstr("nothing left to train: train.max_steps=N makes a finished run longer"));
  EXPECT_THAT(ended.out, HasSubstr("score      "));
}

TEST_F(FinishedRun, InitFromStartsANewRunWithItsWeights) {
  const auto ended = RunLethe(home->path(), TrainTiny("child", {"--init-from", "runs/tiny", "--quiet",
                                                                "train.max_steps=500", "optimizer.learning_rate=0"}));
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  const auto newest = [&](const std::string& run) {
    return configs::RunFolder::Open(*home / run).NewestGoodCheckpoint([](const auto&) {});
  };
  const auto parent = newest("runs/tiny"), child = newest("child");
  for (const auto& tensor : parent.tensors()) {
    if (!tensor.name.starts_with("policy.")) continue;
    EXPECT_TRUE(std::ranges::equal(tensor.bytes, child.Find(tensor.name).bytes)) << tensor.name;
  }
}

TEST(TrainCommand, ConfigBesideResumeOnlyNamesTheRun) {
  const TemporaryFolder folder;
  const std::string tiny = configs::ReadWholeFile(LETHE_TEST_DATA "/configs/tiny.yaml");
  std::ofstream(folder / "mine.yaml") << tiny;
  ASSERT_EQ(RunLethe(folder.path(), {"train", "mine.yaml", "--quiet", "train.max_steps=500"}).exit_code, 0);
  std::ofstream(folder / "mine.yaml") << "seed: 9\n" << tiny;
  const auto ended = RunLethe(folder.path(), {"train", "mine.yaml", "--quiet", "--resume", "train.max_steps=900"});
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("warning: mine.yaml differs from the run's own config.yaml in seed"));
  EXPECT_THAT(configs::ReadWholeFile(folder / "runs/mine/config.yaml"), HasSubstr("\nseed: 1 "));
}

TEST(TrainCommand, AnotherBuildIsSaidToBeInexact) {
  const TemporaryFolder folder;
  ASSERT_EQ(RunLethe(folder.path(), TrainTiny("run", {"--quiet", "train.max_steps=500"})).exit_code, 0);
  std::string config = configs::ReadWholeFile(folder / "run/config.yaml");
  const size_t at = config.find("# compiler: ") + 12;
  config.replace(at, config.find('\n', at) - at, "Other 1.0");
  std::ofstream(folder / "run/config.yaml") << config;
  const auto ended = RunLethe(folder.path(), {"train", "--resume", "--run-dir", "run", "train.max_steps=900"});
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_THAT(ended.out, HasSubstr("not bit for bit: compiler was Other 1.0, is "));
}

TEST(TrainCommand, TimeLimitEndsLikeARun) {
  const TemporaryFolder folder;
  const auto ended =
      RunLethe(folder.path(), TrainTiny("run", {"train.max_steps=1e12", "train.max_minutes=0.005", "--quiet"}));
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_THAT(ended.out, HasSubstr("stopped after train.max_minutes = 0.005"));
  EXPECT_THAT(ended.out, HasSubstr("score      "));
}

TEST(TrainCommand, ImpalaAndConsolidationRun) {
  const TemporaryFolder folder;
  const auto ended = RunLethe(
      folder.path(), TrainTiny("run", {"train.max_policy_lag=2", "train.max_steps=1500", "consolidate.max_steps=1500",
                                       "curriculum.start=4", "optimizer.kind=rmsprop"}));
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  const auto lines = Lines(folder / "run/metrics.jsonl");
  EXPECT_EQ(lines.front()["phase"], "learn");
  EXPECT_EQ(lines.front()["curriculum"], 4);
  EXPECT_EQ(lines.back()["phase"], "consolidate");
  EXPECT_THAT(ended.out, HasSubstr("consolidate.max_steps=N"));
  const auto shorter = RunLethe(folder.path(), {"eval", "run", "--episodes", "5", "env.length_max=3"});
  EXPECT_EQ(shorter.exit_code, 0) << "levels below the curriculum's start: " << shorter.err;
}

TEST(TrainCommand, EveryTokenOfAnExplanationHasItsLoss) {
  const TemporaryFolder folder;
  const auto ended = RunLethe(folder.path(), {"train", LETHE_SOURCE_DIR "/configs/instruction.yaml", "--run-dir", "run",
                                              "train.unroll_length=16", "clone.max_steps=1500",
                                              "log.interval_updates=2", "log.eval_episodes=0"});
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  const auto lines = Lines(folder / "run/metrics.jsonl");
  ASSERT_GE(lines.size(), 2u);
  for (const Json& line : lines) {
    const auto losses = line.at("explanation_loss_per_token").get<std::vector<double>>();
    ASSERT_EQ(losses.size(), 8u);
    EXPECT_NEAR(std::reduce(losses.begin(), losses.end()), line.at("explanation_loss").get<double>(), 1e-9);
    EXPECT_THAT(losses, testing::Each(testing::AllOf(testing::Gt(0), testing::Lt(10))));
  }
}

TEST(TrainCommand, AnotherCoreLeavesOutTheFilesOptionsOfItsOwn) {
  const TemporaryFolder folder;
  const auto ended = RunLethe(folder.path(), TrainTiny("run", {"memory.core=lstm", "train.max_steps=100", "--quiet"}));
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_THAT(ended.err,
              testing::StartsWith("memory.core=lstm: options of the file that lstm does not have are left out: "));
  EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
}

TEST(TrainCommand, MissingGpuIsOneLine) {
  if (fs::exists("/dev/nvidia0")) GTEST_SKIP() << "this machine has a GPU";
  const TemporaryFolder folder;
  for (const char* word : {"--device=cuda", "device=cuda"}) {
    const auto ended = RunLethe(folder.path(), TrainTiny("run", {word}));
    EXPECT_EQ(ended.exit_code, 2);
    EXPECT_THAT(ended.err, HasSubstr("lethe: device cuda: "));
    EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
  }
}

TEST(TrainCommand, PlotIsDrawnOrItsLackExplained) {
  const TemporaryFolder folder;
  const auto without =
      RunLethe(folder.path(), TrainTiny("run", {"--quiet", "train.max_steps=500", "log.eval_episodes=0"}));
  EXPECT_EQ(without.exit_code, 0) << without.err;
  EXPECT_THAT(without.out, HasSubstr("plot       not drawn: "));
  EXPECT_FALSE(fs::exists(folder / "run/report/evaluation.json"));
}

TEST(BenchCommand, TellsSpeedAsAShareOfTheLimit) {
  const auto ended = RunLethe(".", {"bench", "train", "--json", "--seconds", "0.3", "--living", "4", "memory.dim=16",
                                    "memory.ffn=32", "train.num_envs=8", "train.unroll_length=8"});
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  const Json json = Json::parse(ended.out);
  EXPECT_EQ(Keys(json),
            (std::vector<std::string>{"core", "mode", "threads", "num_envs", "living_memories", "steps_per_s",
                                      "steps_per_cpu_s", "fraction_of_limit", "flops_per_step", "matrix_gflops",
                                      "share_envs", "share_acting", "share_learning", "share_waiting", "rss_bytes"}));
  EXPECT_EQ(json["num_envs"], 8);
  EXPECT_NEAR(json["living_memories"].get<double>(), 4, 0.1);
  EXPECT_NEAR(json["fraction_of_limit"].get<double>(),
              json["steps_per_cpu_s"].get<double>() * json["flops_per_step"].get<double>() /
                  (1e9 * json["matrix_gflops"].get<double>()),
              1e-9);
}

TEST(BenchCommand, ComparesCoresAndModes) {
  const auto ended = RunLethe(".", {"bench", "train", "--json", "--seconds", "0.1", "--core", "lstm", "memory.dim=16"});
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  std::istringstream lines(ended.out);
  std::vector<int> envs;
  for (std::string line; std::getline(lines, line);) {
    const Json json = Json::parse(line);
    EXPECT_EQ(json["core"], "lstm");
    EXPECT_GT(json["steps_per_cpu_s"].get<double>(), 0);
    envs.push_back(json["num_envs"]);
  }
  EXPECT_EQ(envs, (std::vector<int>{64, 256}));
  const auto wrong = RunLethe(".", {"bench", "train", "--core", "lstn"});
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("--core: no rows of `lstn`; allowed: expire_span, transformer_xl, gru, lstm, none; "
                                   "did you mean `lstm`?"));
  const auto core = RunLethe(".", {"bench", "train", "memory.core=gru"});
  EXPECT_EQ(core.exit_code, 2);
  EXPECT_THAT(core.err, HasSubstr("memory.core is what the rows are; --core NAME picks some"));
}

}  // namespace
}  // namespace lethe
