#include "tools/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lethe::tools {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::vector<Flag> kFlags = {{"run-dir", "DIR", "folder"}, {"resume", "", "go on"}, {"episodes", "N", "how many"}};

CommandLine Parsed(const std::vector<std::string>& words) { return {"lethe", kFlags, words}; }

std::string ErrorOf(const std::vector<std::string>& words) {
  try {
    Parsed(words);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

TEST(CommandLine, SortsFlagsOverridesAndWords) {
  const auto line = Parsed({"a.yaml", "seed=2", "--run-dir", "runs/x", "env.id=Corridor-v0", "--resume"});
  EXPECT_THAT(line.words(), ElementsAre("a.yaml"));
  EXPECT_THAT(line.overrides(), ElementsAre("seed=2", "env.id=Corridor-v0"));
  EXPECT_EQ(line.Text("run-dir"), "runs/x");
  EXPECT_TRUE(line.Has("resume"));
  EXPECT_FALSE(line.Has("episodes"));
  EXPECT_EQ(line.Text("episodes", "none"), "none");
}

TEST(CommandLine, FlagTakesItsValueWithOrWithoutEqualsSign) {
  EXPECT_EQ(Parsed({"--episodes=12"}).Integer("episodes", 1, 1, 100), 12);
  EXPECT_EQ(Parsed({"--episodes", "12"}).Integer("episodes", 1, 1, 100), 12);
  EXPECT_EQ(Parsed({}).Integer("episodes", 7, 1, 100), 7);
  EXPECT_DOUBLE_EQ(Parsed({"--episodes", "0.5"}).Number("episodes", 1, 0, 1), 0.5);
}

TEST(CommandLine, PathWithEqualsSignIsAWord) {
  EXPECT_THAT(Parsed({"runs/lr=0.1", "./lr=0.1", "A=b"}).words(), ElementsAre("runs/lr=0.1", "./lr=0.1", "A=b"));
}

TEST(CommandLine, ValueOfAnOverrideIsTakenAsItStands) {
  EXPECT_THAT(Parsed({"env.wrong_reward=-1", "x=a=b", "x="}).overrides(),
              ElementsAre("env.wrong_reward=-1", "x=a=b", "x="));
}

TEST(CommandLine, WrongFlagsAreNamed) {
  EXPECT_EQ(ErrorOf({"--run_dir", "x"}), "unknown flag `--run_dir`; did you mean `--run-dir`?");
  EXPECT_EQ(ErrorOf({"--xyz"}), "unknown flag `--xyz`; allowed: --run-dir, --resume, --episodes");
  EXPECT_EQ(ErrorOf({"--episode", "3"}), "unknown flag `--episode`; did you mean `--episodes`?");
  EXPECT_EQ(ErrorOf({"-r"}), "unknown flag `-r`; did you mean `--run-dir`?");
  EXPECT_EQ(ErrorOf({"--run-dir"}), "--run-dir needs a value");
  EXPECT_EQ(ErrorOf({"--run-dir="}), "--run-dir needs a value");
  EXPECT_EQ(ErrorOf({"--resume=yes"}), "--resume takes no value");
  EXPECT_EQ(ErrorOf({"--resume", "--resume"}), "--resume is given twice");
}

TEST(CommandLine, FlagIsNoValueOfAnother) { EXPECT_EQ(ErrorOf({"--run-dir", "--resume"}), "--run-dir needs a value"); }

TEST(CommandLine, NumbersOutsideTheirRangeAreRefused) {
  EXPECT_THROW(Parsed({"--episodes", "0"}).Integer("episodes", 1, 1, 100), UserError);
  EXPECT_THROW(Parsed({"--episodes", "1.5"}).Integer("episodes", 1, 1, 100), UserError);
  EXPECT_THROW(Parsed({"--episodes", "many"}).Number("episodes", 1, 1, 100), UserError);
}

TEST(CommandLine, SuperfluousWordsAreNamed) {
  const auto line = Parsed({"a.yaml", "memory.dim", "x=1"});
  EXPECT_NO_THROW(line.RequireAtMostWords(2));
  EXPECT_THROW(line.RequireAtMostWords(1), UserError);
  EXPECT_THROW(line.RequireNoOverrides("envs"), UserError);
}

}  // namespace
}  // namespace lethe::tools
