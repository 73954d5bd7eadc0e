// `--plugin FILE`, through the program: every command knows the environments of a plug-in, and says what it refuses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/tools/program.h"

namespace lethe {
namespace {

using testing::HasSubstr;
using tests::RunLethe;
using tests::TemporaryFolder;

const std::string kEcho = LETHE_TEST_PLUGINS "/libplugin_echo.so";
const std::string kFlawed = LETHE_TEST_PLUGINS "/libplugin_flawed.so";
const std::string kHint = "unknown environment Echo-v0; if it is one of a plug-in, name its file: --plugin FILE\n";

// Words of a run of a second on the plug-in's environment.
std::vector<std::string> TrainEcho(const std::string& folder) {
  std::ofstream(folder + "/echo.yaml") << "env:\n  id: Echo-v0\n  delay_max: 3\n"
                                          "memory:\n  dim: 16\n  heads: 2\n  ffn: 32\n  span_limit: 16\n  ramp: 4\n"
                                          "train:\n  num_envs: 8\n  unroll_length: 8\n  max_steps: 2000\n"
                                          "log:\n  eval_episodes: 20\n";
  return {"train", "echo.yaml", "--quiet"};
}

std::vector<std::string> With(std::vector<std::string> words, const std::vector<std::string>& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

TEST(PluginCommand, StandsAnywhereOnTheLineAndMayBeRepeated) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{"envs", "--plugin", kEcho},
                                                {"--plugin", kEcho, "envs"},
                                                {"--plugin=" + kEcho, "envs", "--plugin=" + kFlawed},
                                                {"envs", "--plugin", kFlawed, "--plugin", kEcho},
                                                {"envs", "--plugin", kEcho, "--plugin", kEcho}}) {
    const auto ended = RunLethe(".", words);
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    EXPECT_THAT(ended.out, HasSubstr("\nEcho-v0 "));
    EXPECT_THAT(ended.out, HasSubstr("\nCorridor-v0 "));
    const bool is_second_loaded = testing::Value(words, testing::Contains(HasSubstr("flawed")));
    EXPECT_EQ(ended.out.find("\nTold-Twice-v0 ") != std::string::npos, is_second_loaded);
  }
}

TEST(PluginCommand, DescribesAnEnvironmentOfAPlugin) {
  const auto ended = RunLethe(".", {"envs", "Echo-v0", "--plugin", kEcho});
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_THAT(ended.out, HasSubstr("| 0      | silence |"));
  const auto help = RunLethe(".", {"help", "options", "Echo-v0", "--plugin", kEcho});
  EXPECT_THAT(help.out, HasSubstr("env.patience"));
}

TEST(PluginCommand, RecordsAndReplays) {
  const TemporaryFolder folder;
  const auto recorded =
      RunLethe(folder.path(), {"envs", "record", "Echo-v0", "--episodes", "3", "--plugin", kEcho, "words=8"});
  ASSERT_EQ(recorded.exit_code, 0) << recorded.err;
  std::ofstream(folder / "echo.jsonl") << recorded.out;
  const auto replayed = RunLethe(folder.path(), {"envs", "replay", "echo.jsonl", "--plugin", kEcho});
  EXPECT_THAT(replayed.out, HasSubstr("3 of 3 episodes match"));
  EXPECT_EQ(RunLethe(folder.path(), {"envs", "replay", "echo.jsonl"}).exit_code, 1);
}

TEST(PluginCommand, TrainsEvaluatesAndGoesOnOnlyWithThePlugin) {
  const TemporaryFolder folder;
  const auto train = TrainEcho(folder.path());
  const auto refused = RunLethe(folder.path(), train);
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_EQ(refused.err, "lethe: echo.yaml:2:7: key `env.id`: " + kHint);
  const auto trained = RunLethe(folder.path(), With(train, {"--plugin", kEcho}));
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  EXPECT_THAT(trained.out, HasSubstr(" --plugin " + kEcho + " eval runs/echo"));
  EXPECT_EQ(RunLethe(folder.path(), {"eval", "runs/echo", "--episodes", "5", "--plugin", kEcho}).exit_code, 0);
  const auto viewed = RunLethe(folder.path(), {"view", "runs/echo", "--record", "echo.png", "--plugin", kEcho});
  EXPECT_EQ(viewed.exit_code, 0) << viewed.err;
  for (const std::vector<std::string>& words : {std::vector<std::string>{"eval", "runs/echo"},
                                                {"view", "runs/echo", "--record", "echo.png"},
                                                {"train", "--resume", "--run-dir", "runs/echo"},
                                                {"train", "echo.yaml", "--init-from", "runs/echo"}}) {
    const auto ended = RunLethe(folder.path(), words);
    EXPECT_EQ(ended.exit_code, 2) << words[0];
    EXPECT_THAT(ended.err, HasSubstr("key `env.id`: " + kHint));
  }
}

TEST(PluginCommand, ARefusedPluginIsOneLineAndStopsTheCommand) {
  const TemporaryFolder folder;
  std::ofstream(folder / "text.so") << "no library\n";
  const std::pair<std::string, std::string> refusals[] = {
      {"nowhere.so", "lethe: nowhere.so: no such file\n"},
      {"text.so", "lethe: text.so: file too short\n"},
      {LETHE_TEST_PLUGINS "/libplugin_empty.so",
       "lethe: " LETHE_TEST_PLUGINS "/libplugin_empty.so: no plug-in of Lethe: it has no function lethe_plugin_abi\n"},
  };
  for (const auto& [file, message] : refusals) {
    const auto ended = RunLethe(folder.path(), {"envs", "--plugin", file});
    EXPECT_EQ(ended.exit_code, 2);
    EXPECT_EQ(ended.out, "");
    EXPECT_EQ(ended.err, message);
  }
  const auto other =
      RunLethe(folder.path(), {"envs", "--plugin", kFlawed}, [] { ::setenv("LETHE_TEST_FLAW", "compiler", 1); });
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_THAT(other.err, testing::StartsWith("lethe: " + kFlawed + ": compiled for another program: compiler: "));
}

TEST(PluginCommand, TheFlagItselfIsChecked) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"envs", "--plugin"}, {"envs", "--plugin="}, {"--plugin", "--quiet", "envs"}}) {
    const auto ended = RunLethe(".", words);
    EXPECT_EQ(ended.exit_code, 2);
    EXPECT_EQ(ended.err, "lethe: --plugin needs a value\n");
  }
  EXPECT_THAT(RunLethe(".", {"envs", "--plug-in", kEcho}).err, HasSubstr("did you mean `--plugin`?"));
}

TEST(PluginCommand, UnknownEnvironmentsMayBeThoseOfAPlugin) {
  EXPECT_EQ(RunLethe(".", {"envs", "Echo-v0"}).err, "lethe: " + kHint);
  EXPECT_EQ(
      RunLethe(".", {"help", "options", "Coridor-v0"}).err,
      "lethe: unknown environment Coridor-v0; did you mean `Corridor-v0`? Or is it one of a plug-in? Then name its "
      "file: --plugin FILE\n");
  EXPECT_EQ(RunLethe(".", {"envs", "Eco-v0", "--plugin", kEcho}).err,
            "lethe: unknown environment Eco-v0; did you mean `Echo-v0`?\n");
}

TEST(PluginCommand, IsInTheHelpOfEveryCommand) {
  EXPECT_THAT(RunLethe(".", {"help"}).out, HasSubstr("--plugin FILE"));
  for (const char* command : {"train", "train-sequence", "eval", "view", "inspect", "envs", "play", "bench"})
    EXPECT_THAT(RunLethe(".", {command, "--help"}).out, HasSubstr("  --plugin FILE ")) << command;
}

}  // namespace
}  // namespace lethe
