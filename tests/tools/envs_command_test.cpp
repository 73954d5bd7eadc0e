#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/tools/program.h"

namespace lethe {
namespace {

using testing::HasSubstr;
using tests::RunLethe;
using tests::TemporaryFolder;

const std::string kGolden = LETHE_TEST_DATA "/golden/corridor.jsonl";

TEST(EnvsCommand, ListsEveryEnvironmentWithItsScores) {
  const auto ended = RunLethe(".", {"envs"});
  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_THAT(ended.out, HasSubstr("Corridor-v0                  1.000        0.500    0.010       199\n"));
  EXPECT_THAT(ended.out, HasSubstr("Corridor-100k-Mix-v0"));
}

TEST(EnvsCommand, DescribesOneEnvironment) {
  const auto ended = RunLethe(".", {"envs", "Corridor-4c-v0"});
  EXPECT_EQ(ended.exit_code, 0);
  for (const char* part : {"# Corridor-4c-v0", "| Corridor-4c-v0       | 1      | 0.25      | 0.00663 |",
                           "| 17    | 0..8   | colour of the cell", "| colors       | 4 "})
    EXPECT_THAT(ended.out, HasSubstr(part));
}

TEST(EnvsCommand, GoldenEpisodesMatch) {
  const auto ended = RunLethe(".", {"envs", "replay", kGolden});
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_THAT(ended.out, HasSubstr("5 of 5 episodes match"));
}

TEST(EnvsCommand, TamperedEpisodeIsFoundWithItsPlace) {
  const TemporaryFolder folder;
  std::string text = configs::ReadWholeFile(kGolden);
  const size_t at = text.find("\"rewards\":[0");
  ASSERT_NE(at, std::string::npos);
  text[at + 11] = '1';
  std::ofstream(folder / "tampered.jsonl") << text;
  const auto ended = RunLethe(folder.path(), {"envs", "replay", "tampered.jsonl"});
  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_THAT(ended.out, HasSubstr("4 of 5 episodes match"));
  EXPECT_THAT(ended.out, HasSubstr("first difference: line 1 "));
}

TEST(EnvsCommand, RecordedEpisodesReplay) {
  const TemporaryFolder folder;
  const auto recorded =
      RunLethe(folder.path(), {"envs", "record", "Corridor-8c-v0", "--episodes", "4", "seed=3", "length_max=20"});
  ASSERT_EQ(recorded.exit_code, 0) << recorded.err;
  std::ofstream(folder / "recorded.jsonl") << recorded.out;
  const auto ended = RunLethe(folder.path(), {"envs", "replay", "recorded.jsonl"});
  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_THAT(ended.out, HasSubstr("4 of 4 episodes match"));
}

TEST(EnvsCommand, AGoldenSetIsWrittenAndShownAsText) {
  const TemporaryFolder folder;
  const auto recorded =
      RunLethe(folder.path(), {"envs", "record", "Corridor-v0", "--out", "golden.jsonl", "length_max=6"});
  EXPECT_EQ(recorded.exit_code, 0) << recorded.err;
  EXPECT_EQ(recorded.out, "5 episodes of Corridor-v0 in golden.jsonl\n");
  const auto shown = RunLethe(folder.path(), {"envs", "replay", "golden.jsonl", "--text"});
  EXPECT_EQ(shown.exit_code, 0) << shown.err;
  for (const char* part : {"line 1: Corridor-v0, oracle\n", "line 5: Corridor-v0, hint", "reward 1, terminated\n",
                           "truncated\n", "golden.jsonl: 5 of 5 episodes match"})
    EXPECT_THAT(shown.out, HasSubstr(part));
}

TEST(EnvsCommand, DocsWritesAPageForEveryFamily) {
  const TemporaryFolder folder;
  const auto ended = RunLethe(folder.path(), {"envs", "docs", "pages"});
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_THAT(configs::ReadWholeFile(folder / "pages/README.md"), HasSubstr("[Corridor](corridor.md)"));
  EXPECT_THAT(configs::ReadWholeFile(folder / "pages/corridor.md"), HasSubstr("# Corridor\n"));
}

TEST(EnvsCommand, WrongUseIsRefused) {
  const auto error = [](const std::vector<std::string>& words) {
    const auto ended = RunLethe(".", words);
    EXPECT_EQ(ended.exit_code, 2);
    return ended.err;
  };
  EXPECT_THAT(error({"envs", "record"}), HasSubstr("envs record needs an environment"));
  EXPECT_THAT(error({"envs", "--text"}), HasSubstr("--text belongs to `lethe envs replay`"));
  EXPECT_THAT(error({"envs", "record", "Corridor-v0", "--out", "/no/such/folder/x"}), HasSubstr("/no/such/folder"));
  EXPECT_THAT(error({"envs", "docs", "/proc/none"}), HasSubstr("/proc/none"));
}

TEST(BenchEnvs, TellsRatesOfEveryThreadCountAsJson) {
  const auto ended = RunLethe(".", {"bench", "envs", "Corridor-v0", "--seconds", "0.02", "--batch", "64", "--json"});
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  for (const char* part :
       {"{\"env\":\"Corridor-v0\",\"threads\":1,\"batch\":64,\"steps_per_s\":", "\"floor_steps_per_s\":"})
    EXPECT_THAT(ended.out, HasSubstr(part));
  const auto wrong = RunLethe(".", {"bench", "envs", "Corridr-v0"});
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("did you mean `Corridor-v0`?"));
  EXPECT_THAT(RunLethe(".", {"bench", "envs", "--living", "3"}).err,
              HasSubstr("--living does not belong to `lethe bench envs`"));
}

}  // namespace
}  // namespace lethe
