#include "envs/golden.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/envs/play.h"
#include "tests/temporary_folder.h"

namespace lethe::envs {
namespace {

using ::testing::HasSubstr;

class GoldenTest : public ::testing::Test {
 protected:
  static constexpr const char* kCorridor = LETHE_TEST_DATA "/golden/corridor.jsonl";

  static std::vector<std::string> Lines() {
    std::ifstream file(kCorridor);
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
  }

  // The third golden episode with one member changed.
  std::string Changed(const std::string& pointer, const Json& value) {
    Json line = Json::parse(Lines()[2]);
    line[Json::json_pointer(pointer)] = value;
    return line.dump();
  }

  std::string Write(const std::vector<std::string>& lines) {
    std::ofstream file(path_);
    for (const std::string& line : lines) file << line << '\n';
    return path_;
  }

  std::string DifferenceOf(const std::string& line) { return ReplayFile(Write({line})).first_difference; }
  std::string ErrorOfFile(const std::vector<std::string>& lines) {
    return ErrorOf([&] { ReplayFile(Write(lines)); });
  }

  const tests::TemporaryFolder folder_;
  const std::string path_ = folder_ / "golden.jsonl";
};

TEST_F(GoldenTest, EveryGoldenFileMatches) {
  int files = 0;
  for (const auto& file : std::filesystem::directory_iterator(LETHE_TEST_DATA "/golden")) {
    const ReplayReport report = ReplayFile(file.path());
    EXPECT_EQ(report.first_difference, "") << file.path();
    EXPECT_EQ(report.matched, report.total) << file.path();
    EXPECT_GE(report.total, 3) << file.path();
    ++files;
  }
  EXPECT_GE(files, 3);
}

TEST_F(GoldenTest, TheFirstDifferenceIsNamed) {
  const std::string prefix = "line 1 \"walks past, bumps, out of time\": ";
  EXPECT_EQ(DifferenceOf(Changed("/obs/6/7", 3)), prefix + "step 5: obs[6][7]: expected 3, got 0");
  EXPECT_EQ(DifferenceOf(Changed("/obs/0/0", 3)), prefix + "reset: obs[0][0]: expected 3, got 2");
  EXPECT_EQ(DifferenceOf(Changed("/obs/4", {1, 2})), prefix + "step 3: length of obs[4]: expected 2, got 18");
  EXPECT_EQ(DifferenceOf(Changed("/rewards/2", 0.001)), prefix + "step 2: reward: expected 0.001, got 0");
  EXPECT_EQ(DifferenceOf(Changed("/rewards/2", 0.9e-6)), "");
  EXPECT_EQ(DifferenceOf(Changed("/truncated/23", false)), prefix + "step 23: truncated: expected false, got true");
  EXPECT_EQ(DifferenceOf(Changed("/terminated/0", true)), prefix + "step 0: terminated: expected true, got false");
  EXPECT_EQ(DifferenceOf(Changed("/metrics/steps", 23)), prefix + "metrics: steps: expected 23, got 24");
  EXPECT_EQ(DifferenceOf(Changed("/metrics/depth", 1)), prefix + "metrics: depth is not reported");
  EXPECT_EQ(DifferenceOf(Changed("/metrics", {{"steps", 24}})), prefix + "metrics: length is missing in the file");
  EXPECT_EQ(DifferenceOf(Changed("/actions/0", 9)), prefix + "action of row 0 is 9; allowed: 0..3");
}

TEST_F(GoldenTest, ALevelThatCannotBePlayedIsADifference) {
  EXPECT_THAT(DifferenceOf(Changed("/level/env", "Maze")), HasSubstr("unknown environment family Maze version 0"));
  EXPECT_THAT(DifferenceOf(Changed("/level/env", 3)), HasSubstr("env is 3"));
  EXPECT_THAT(DifferenceOf(Changed("/level/version", 1)), HasSubstr("version 1"));
  EXPECT_THAT(DifferenceOf(Changed("/level/length", 5)), HasSubstr("length is 5; allowed"));
  EXPECT_THAT(DifferenceOf(Changed("/level/length", 4.0)), HasSubstr("length is 4.0; allowed"));
  EXPECT_THAT(DifferenceOf(Changed("/level/doors", {1})), HasSubstr("doors is [1]"));
  EXPECT_THAT(DifferenceOf(Changed("/level/params/view", 4)), HasSubstr("view is 4"));
  EXPECT_THAT(DifferenceOf(Changed("/level/params/veiw", 3)), HasSubstr("did you mean `view`?"));
  EXPECT_THAT(DifferenceOf(Changed("/level/params", {{"view", 3}})), HasSubstr("is missing"));
}

TEST_F(GoldenTest, CountsAllEpisodesAndNamesTheFirstThatDiffers) {
  auto lines = Lines();
  lines[2] = Changed("/metrics/steps", 23);
  lines[4] = lines[2];
  lines.insert(lines.begin() + 1, "");
  const ReplayReport report = ReplayFile(Write(lines));
  EXPECT_EQ(report.total, 5);
  EXPECT_EQ(report.matched, 3);
  EXPECT_THAT(report.first_difference, HasSubstr("line 4 "));
}

TEST_F(GoldenTest, MalformedFilesAreErrorsWithTheirLine) {
  const std::string good = Lines()[0];
  EXPECT_THAT(ErrorOfFile({good, "{\"id\": "}), HasSubstr(path_ + ":2: no JSON at character"));
  EXPECT_THAT(ErrorOfFile({good, good, "[]"}), HasSubstr(":3: id is missing"));
  EXPECT_THAT(ErrorOfFile({Changed("/id", 3)}), HasSubstr("id is no text"));
  EXPECT_THAT(ErrorOfFile({Changed("/actions", Json::array())}), HasSubstr("actions is no list, or empty"));
  EXPECT_THAT(ErrorOfFile({Changed("/actions/3", 256)}), HasSubstr("actions[3] is 256; allowed: integers 0..255"));
  EXPECT_THAT(ErrorOfFile({Changed("/actions/3", "up")}), HasSubstr("actions[3] is \"up\""));
  EXPECT_THAT(ErrorOfFile({Changed("/obs", Json::array())}), HasSubstr("obs has 0 items; expected 25"));
  EXPECT_THAT(ErrorOfFile({Changed("/obs/2", 5)}), HasSubstr("obs[2] is no list"));
  EXPECT_THAT(ErrorOfFile({Changed("/obs/2/5", -1)}), HasSubstr("obs[2][5] is -1"));
  EXPECT_THAT(ErrorOfFile({Changed("/rewards", 5)}), HasSubstr("rewards is no list"));
  EXPECT_THAT(ErrorOfFile({Changed("/rewards/1", nullptr)}), HasSubstr("rewards[1] is null; allowed: a number"));
  EXPECT_THAT(ErrorOfFile({Changed("/truncated/1", 0)}), HasSubstr("truncated[1] is 0; allowed: true or false"));
  EXPECT_THAT(ErrorOfFile({Changed("/metrics", 1)}), HasSubstr("metrics is no JSON object"));
  EXPECT_THAT(ErrorOfFile({Changed("/metrics/steps", "24")}), HasSubstr("metrics.steps is \"24\""));
  EXPECT_THAT(ErrorOfFile({}), HasSubstr("holds no episode"));
  EXPECT_THAT(ErrorOf([] { ReplayFile("/nowhere/corridor.jsonl"); }),
              HasSubstr("/nowhere/corridor.jsonl: cannot be opened"));
}

TEST_F(GoldenTest, ActionsMustEndWithTheEpisode) {
  Json line = Json::parse(Lines()[0]);
  for (const char* key : {"actions", "obs", "rewards", "terminated", "truncated"})
    line[key].erase(line[key].size() - 1);
  EXPECT_THAT(DifferenceOf(line.dump()), HasSubstr("the last action does not end the episode"));
  line = Json::parse(Lines()[0]);
  for (const char* key : {"actions", "obs", "rewards", "terminated", "truncated"})
    line[key].push_back(line[key].back());
  EXPECT_THAT(DifferenceOf(line.dump()), HasSubstr("number of steps: expected 7, got 6"));
}

TEST_F(GoldenTest, RecordedEpisodesMatch) {
  std::vector<std::string> lines;
  Stream random(1, Purpose::kTrain, 0, 0);
  const Policy act = [&](const EnvBatch& batch, auto) {
    return static_cast<uint8_t>(random.Below(batch.spec().num_actions));
  };
  for (const std::string& id : Ids()) {
    const auto batch = MakeBatch(id, {.size = 1}, {{"max_steps", 30}, {"step_cost", 0.01}, {"hint", true}});
    lines.push_back(RecordEpisode(id + ", random", *batch, act));
  }
  const ReplayReport report = ReplayFile(Write(lines));
  EXPECT_EQ(report.first_difference, "");
  EXPECT_EQ(report.matched, static_cast<int>(Ids().size()));
  EXPECT_THAT(lines[0], HasSubstr("\"rewards\":[-0.01,-0.01,"));
}

TEST_F(GoldenTest, RecordingWantsABatchOfOne) {
  const auto batch = MakeBatch("Corridor-v0", {.size = 2});
  EXPECT_THAT(ErrorOf([&] { RecordEpisode("x", *batch, {}); }), HasSubstr("batch size is 2; allowed: 1"));
}

}  // namespace
}  // namespace lethe::envs
