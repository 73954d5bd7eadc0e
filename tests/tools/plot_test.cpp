// tools/plot.py, tools/compare.py and tools/frontier.py on metrics written here. They need the .venv that the launcher
// makes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/temporary_folder.h"
#include "tests/tools/program.h"

namespace lethe {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const std::string kPython = std::string(LETHE_SOURCE_DIR) + "/.venv/bin/python";

class Plots : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(kPython)) GTEST_SKIP() << kPython << " does not exist";
  }

  /// A run of `lines` log intervals on a task with this score, by a memory made of steps or not.
  std::string WriteRun(const std::string& name, const std::string& score, int lines, bool of_steps = true) const {
    fs::create_directories(folder_ / (name + "/report"));
    std::ofstream metrics(folder_ / (name + "/metrics.jsonl"));
    for (int i = 1; i <= lines; ++i)
      metrics << R"({"phase":"train","updates":)" << i << R"(,"tokens":1000,"seconds":)" << 60 * i << ",\"" << score
              << "\":0.5,\"valid_" << score << "\":0." << i << R"(,"living_memories":)"
              << (of_steps ? "[31.5,40]" : "[]") << "}\n";
    std::ofstream(folder_ / (name + "/report/evaluation.json"))
        << "{\"" << score << "\":0.25,\"living_memories\":[31.5,77]}";
    return folder_ / name;
  }

  /// A finished run of an agent.
  std::string WriteAgent(const std::string& name, const std::string& environment, const std::string& core,
                         bool evaluated = true) const {
    fs::create_directories(folder_ / (name + "/report"));
    std::ofstream(folder_ / (name + "/metrics.jsonl")) << R"({"env_steps":2000000,"seconds":90})"
                                                       << "\n";
    std::ofstream(folder_ / (name + "/config.yaml"))
        << "seed: 1\n\nenv:  # environment\n  id: " << environment
        << "  # which\n  view: 3\n\nmemory:  # what\n  core: " << core << "  # kind\n";
    if (evaluated)
      std::ofstream(folder_ / (name + "/report/evaluation.json"))
          << R"({"score":0.75,"score_ci":[0.7,0.8],"living_memories":[10,30]})";
    return folder_ / name;
  }

  tests::Ended Run(std::vector<std::string> words) const {
    words[0] = LETHE_SOURCE_DIR "/tools/" + words[0];
    return tests::Program(folder_.path(), words, {}, kPython).Wait();
  }

  const tests::TemporaryFolder folder_;
};

TEST_F(Plots, TheCourseOfARunBecomesAPicture) {
  const std::string run = WriteRun("one", "bits_per_byte", 4);
  const auto ended = Run({"plot.py", run});
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_GT(fs::file_size(run + "/report/progress.png"), 10'000u);
}

TEST_F(Plots, RunsSideBySideBecomeAPictureAndATable) {
  const std::string picture = folder_ / "both.png";
  const auto ended = Run({"compare.py", WriteRun("one", "error", 4), WriteRun("two", "error", 3),
                          WriteRun("gru", "error", 3, /*of_steps=*/false), "--out", picture});
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_GT(fs::file_size(picture), 10'000u);
  EXPECT_THAT(ended.out, HasSubstr("| one | 4 | 0.00 M | 4.0 | 0.4 | 0.25 | 31.5, 77.0 |"));
}

TEST_F(Plots, RunsWithoutScoresAreNotCompared) {
  const auto ended =
      Run({"compare.py", WriteRun("one", "error", 2), WriteRun("two", "loss", 2), "--out", folder_ / "x"});
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_THAT(ended.err, HasSubstr("two: has none of the scores bits_per_byte, "));
}

TEST_F(Plots, ScoresOverLivingMemoriesBecomeAPictureAndATable) {
  const std::string picture = folder_ / "frontier.png";
  const auto ended = Run({"frontier.py", WriteAgent("es", "Corridor-v0", "expire_span"),
                          WriteAgent("xl", "Corridor-v0", "transformer_xl"), "--out", picture});
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_GT(fs::file_size(picture), 10'000u);
  EXPECT_THAT(ended.out, HasSubstr("| xl | transformer_xl | 20.0 | 0.750 | 0.700 to 0.800 | 2.0 M | 1.5 |"));
}

TEST_F(Plots, AFrontierNeedsEvaluationsOfOneEnvironment) {
  const std::string es = WriteAgent("es", "Corridor-v0", "expire_span");
  const auto other =
      Run({"frontier.py", es, WriteAgent("xl", "Portal-v0", "transformer_xl"), "--out", folder_ / "x.png"});
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_THAT(other.err, HasSubstr("different environments: es on Corridor-v0, xl on Portal-v0"));
  const auto none = Run({"frontier.py", es, WriteAgent("new", "Corridor-v0", "compressive", /*evaluated=*/false),
                         "--out", folder_ / "x.png"});
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_THAT(none.err, HasSubstr("evaluation.json: No such file"));
}

TEST_F(Plots, RunsOfDifferentTasksAreNotCompared) {
  const auto ended =
      Run({"compare.py", WriteRun("one", "error", 2), WriteRun("two", "bits_per_byte", 2), "--out", folder_ / "x.png"});
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_THAT(ended.err, HasSubstr("different tasks: bits_per_byte, error"));
}

}  // namespace
}  // namespace lethe
