#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/tools/program.h"

namespace lethe {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using tests::Ended;
using tests::RunLethe;
using tests::TemporaryFolder;

/// `lethe play words`, with `keys` as its standard input.
Ended Play(const std::vector<std::string>& words, const std::string& keys) {
  const TemporaryFolder folder;
  std::ofstream(folder / "keys") << keys;
  std::vector<std::string> all = {"play"};
  all.insert(all.end(), words.begin(), words.end());
  return RunLethe(folder.path(), all, [&] { ::dup2(::open("keys", O_RDONLY), STDIN_FILENO); });
}

TEST(PlayCommand, KeysWalkAndTheEndTellsTheMetrics) {
  const Ended ended = Play({"Corridor-v0", "--text", "length_max=3", "seed=2"}, "ddw\n");
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_THAT(ended.out, AllOf(HasSubstr("Corridor, level 1, step 0"), HasSubstr("step 3"), HasSubstr("..@#\n"),
                               HasSubstr("up: reward "), HasSubstr("The end"), HasSubstr("length 3  steps 3")));
}

TEST(PlayCommand, TheOracleWinsAndTheNextLevelStarts) {
  const Ended ended = Play({"Corridor-v0", "length_max=3"}, "oooo");
  EXPECT_THAT(ended.out, AllOf(HasSubstr("success 1"), HasSubstr("level 2, step 0")));
}

TEST(PlayCommand, BlindShowsNoMoreThanTheObservation) {
  const Ended blind = Play({"Corridor-v0", "--blind", "length_min=20", "seed=4"}, "dd");
  EXPECT_THAT(blind.out, AllOf(HasSubstr("###\n.@.\n###\n"), Not(HasSubstr("...."))));
  EXPECT_THAT(Play({"Corridor-v0", "--blind", "length_min=20", "seed=4"}, "v").out, HasSubstr("@...."));
}

TEST(PlayCommand, AnUnknownKeyTellsTheKeys) {
  EXPECT_THAT(Play({"Corridor-v0"}, "9").out, HasSubstr("no action `9`; arrows or w a s d move"));
  EXPECT_THAT(Play({"Corridor-v0"}, "qd").out, Not(HasSubstr("step 1")));
}

TEST(PlayCommand, WrongInputIsRefused) {
  EXPECT_EQ(Play({}, "").exit_code, 2);
  EXPECT_THAT(Play({"Corridor"}, "").err, HasSubstr("did you mean `Corridor-v0`?"));
  EXPECT_THAT(Play({"Corridor-v0", "colors=9"}, "").err, HasSubstr("colors"));
  EXPECT_THAT(Play({"Corridor-v0", "length_max=4", "length_min=9"}, "").err, HasSubstr("length_max is 4"));
}

}  // namespace
}  // namespace lethe
