// The finished runs in examples/trained score what their README says: a change of how an agent reads, remembers or acts
// shows here, where every part by itself may still agree with its own tests. Learnt: not among the fast ones.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>
#include <string>

#include <nlohmann/json.hpp>

#include "tests/tools/program.h"

namespace lethe::tools {
namespace {

namespace fs = std::filesystem;

const fs::path kTrained = fs::path(LETHE_SOURCE_DIR) / "examples/trained";

struct Interval {
  double low, high;
};

/// Of the rows "| `folder` | ... | score (low to high) |".
std::map<std::string, Interval> StatedScores() {
  const std::regex row(R"(\| `(\w+)` \|.*\| [0-9.]+ \(([0-9.]+) to ([0-9.]+)\) \|)");
  std::map<std::string, Interval> stated;
  std::ifstream page(kTrained / "README.md");
  for (std::string line; std::getline(page, line);)
    if (std::smatch found; std::regex_match(line, found, row))
      stated[found[1]] = {std::stod(found[2]), std::stod(found[3])};
  return stated;
}

TEST(LearntAgents, AllAreStated) {
  const auto stated = StatedScores();
  size_t folders = 0;
  for (const auto& entry : fs::directory_iterator(kTrained)) {
    if (!entry.is_directory()) continue;
    ++folders;
    EXPECT_TRUE(stated.contains(entry.path().filename())) << entry.path();
  }
  EXPECT_EQ(folders, stated.size());
  EXPECT_GT(folders, 0u);
}

TEST(LearntAgents, ScoreWhatIsStated) {
  const tests::TemporaryFolder folder;
  for (const auto& [name, score] : StatedScores()) {
    const auto ended =
        tests::RunLethe(folder.path(), {"eval", (kTrained / name).string(), "--episodes", "100", "--json"});
    ASSERT_EQ(ended.exit_code, 0) << ended.err;
    const auto interval = nlohmann::json::parse(ended.out)["score_ci"];
    EXPECT_GE(interval[1], score.low) << name;
    EXPECT_LE(interval[0], score.high) << name;
  }
}

TEST(LearntAgents, TheTextOfManyMetricsIsWrapped) {
  const tests::TemporaryFolder folder;
  const auto ended = tests::RunLethe(folder.path(), {"eval", (kTrained / "instruction").string(), "--episodes", "2"});
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_NE(ended.out.find("\nmetrics    success "), std::string::npos) << ended.out;
  EXPECT_NE(ended.out.find(", dropped "), std::string::npos) << ended.out;
  EXPECT_NE(ended.out.find(",\n           "), std::string::npos) << ended.out;
  std::istringstream lines(ended.out);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 100u) << line;
}

}  // namespace
}  // namespace lethe::tools
