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
  EXPECT_THAT(ended.out, HasSubstr("Corridor-v0                1.000        0.500    0.010\n"));
  EXPECT_THAT(ended.out, HasSubstr("Corridor-100k-Mix-v0"));
}

TEST(EnvsCommand, DescribesOneEnvironment) {
  const auto ended = RunLethe(".", {"envs", "Corridor-4c-v0"});
  EXPECT_EQ(ended.exit_code, 0);
  for (const char* part : {"oracle 1.000, best without memory 0.250", "up, right, down, left", "18 tokens",
                           "env.colors", "length_max, 3..200"})
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

}  // namespace
}  // namespace lethe
