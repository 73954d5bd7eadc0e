#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "tests/tools/program.h"

namespace lethe {
namespace {

using testing::HasSubstr;
using tests::RunLethe;

std::string TextOf(const std::vector<std::string>& words) {
  const auto ended = RunLethe(".", words);
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_EQ(ended.err, "");
  return ended.out;
}

TEST(HelpText, IsTheSameByEveryWay) {
  const std::string text = TextOf({"--help"});
  EXPECT_EQ(text, TextOf({}));
  EXPECT_EQ(text, TextOf({"help"}));
  EXPECT_EQ(TextOf({"help", "train"}), TextOf({"train", "--help"}));
  EXPECT_EQ(TextOf({"help", "train"}), TextOf({"train", "x.yaml", "--help", "--wrong"}));
}

TEST(HelpText, ListsCommandsAndWhereToBegin) {
  const std::string text = TextOf({"--help"});
  for (const char* command :
       {"train", "train-sequence", "eval", "view", "inspect", "envs", "play", "bench", "help options", "--version"})
    EXPECT_THAT(text, HasSubstr(command));
  EXPECT_THAT(text, HasSubstr("lethe train configs/corridor_10.yaml"));
}

TEST(HelpText, FitsAScreenOf120Columns) {
  for (const char* command : {"train", "train-sequence", "eval", "view", "inspect", "envs", "play", "bench"}) {
    std::istringstream lines(TextOf({"help", command}));
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 120u) << line;
  }
}

TEST(HelpText, NamesEveryOptionWithDefaultRangeAndMeaning) {
  const std::string text = TextOf({"help", "options"});
  for (const char* option :
       {"seed", "env.length_max", "memory.span_limit", "train.max_steps", "optimizer.learning_rate",
        "curriculum.factor", "consolidate.optimizer.kind", "log.eval_episodes"})
    EXPECT_THAT(text, HasSubstr(std::string("\n") + option + " "));
  EXPECT_THAT(TextOf({"help", "options", "Corridor-8c-v0"}), testing::ContainsRegex("env.colors +8 "));
}

TEST(HelpText, VersionNamesBuildAndLibTorch) {
  EXPECT_THAT(TextOf({"--version"}), testing::ContainsRegex("^lethe [0-9.]+ .*LibTorch 2"));
}

}  // namespace
}  // namespace lethe
