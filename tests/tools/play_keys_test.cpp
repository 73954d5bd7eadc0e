#include "tools/play_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lethe::tools {
namespace {

using Kind = PlayKeys::Kind;

envs::Spec SpecWith(const std::vector<std::string>& actions) {
  envs::Spec spec;
  spec.action_names = actions;
  spec.num_actions = static_cast<int>(actions.size());
  return spec;
}

envs::Spec Moves() { return SpecWith({"up", "right", "down", "left"}); }

/// What the last byte completes.
PlayKeys::Command TypeInto(PlayKeys keys, const std::string& bytes) {
  PlayKeys::Command last;
  for (const char byte : bytes) last = keys.Take(byte);
  return last;
}

int ActionOf(const envs::Spec& spec, const std::string& bytes) {
  const auto command = TypeInto(PlayKeys(spec), bytes);
  return command.kind == Kind::kAction ? command.action : -1;
}

TEST(PlayKeys, ArrowsLettersAndNumbersAreMoves) {
  EXPECT_EQ(ActionOf(Moves(), "\x1b[A"), 0);
  EXPECT_EQ(ActionOf(Moves(), "\x1bOC"), 1);
  EXPECT_EQ(ActionOf(Moves(), "s"), 2);
  EXPECT_EQ(ActionOf(Moves(), "3"), 3);
  EXPECT_EQ(ActionOf(SpecWith({"up", "right", "down", "left", "stay"}), " "), 4);
}

TEST(PlayKeys, MoreThanTenActionsAreNumbersWithEnter) {
  const envs::Spec many = SpecWith(std::vector<std::string>(52, "card"));
  EXPECT_EQ(ActionOf(many, "4"), -1);
  EXPECT_EQ(ActionOf(many, "42\n"), 42);
  EXPECT_EQ(TypeInto(PlayKeys(many), "52\n").kind, Kind::kUnknown);
  EXPECT_EQ(TypeInto(PlayKeys(many), "99999999999999999999\n").kind, Kind::kUnknown);
  EXPECT_EQ(ActionOf(many, "1q7\n"), 7);  // a command in between forgets the digits before it
}

TEST(PlayKeys, OtherKeysAreCommandsOrUnknown) {
  EXPECT_EQ(TypeInto(PlayKeys(Moves()), "o").kind, Kind::kOracle);
  EXPECT_EQ(TypeInto(PlayKeys(Moves()), "v").kind, Kind::kView);
  EXPECT_EQ(TypeInto(PlayKeys(Moves()), "\n").kind, Kind::kNone);
  EXPECT_EQ(TypeInto(PlayKeys(Moves()), "q").kind, Kind::kQuit);
  EXPECT_EQ(TypeInto(PlayKeys(Moves()), "7").text, "7");
  for (const char* key : {"\x1b[Z", "\x1b[1;2C", "\x1b[15~"})
    EXPECT_EQ(TypeInto(PlayKeys(Moves()), key).kind, Kind::kUnknown) << key;
  EXPECT_EQ(TypeInto(PlayKeys(SpecWith({"red", "blue"})), "w").kind, Kind::kUnknown);
}

TEST(PlayKeys, HelpNamesTheKeysOfTheEnvironment) {
  EXPECT_THAT(PlayKeys(Moves()).Help(), testing::StartsWith("arrows or w a s d move; o: "));
  EXPECT_THAT(PlayKeys(SpecWith({"red", "blue"})).Help(), testing::StartsWith("0..1 act; "));
}

}  // namespace
}  // namespace lethe::tools
