// Every line `./lethe ...` that README.md, docs/viewer.md, examples/trained and the pages of docs/results show is run,
// in the order of the page, but short: what makes a run long is set to little. Elsewhere:
// docs/adding-an-environment.md in walkthrough_test.cpp, tools/compare.py in plot_test.cpp.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "tests/tools/program.h"

namespace lethe::tools {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

const std::string kSource = LETHE_SOURCE_DIR;

/// Comments and redirections end a command. A loop's variable is 1.
Words WordsOf(const std::string& line) {
  Words words;
  std::istringstream text(line);
  for (std::string word; text >> word && word[0] != '#' && word[0] != '>' && word != "&&" && word != "|";) {
    for (const std::string variable : {"$seed", "$length"})
      for (size_t at; (at = word.find(variable)) != std::string::npos;) word.replace(at, variable.size(), "1");
    words.push_back(word);
  }
  return words;
}

/// The lines `./lethe ...` of code blocks, without `./lethe`.
std::vector<Words> CommandsIn(const std::string& page) {
  std::vector<Words> commands;
  std::ifstream text(kSource + "/" + page);
  bool in_code = false;
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with("```")) in_code = !in_code;
    const auto words = WordsOf(line);
    if (in_code && words.size() > 1 && words[0] == "./lethe") commands.push_back({words.begin() + 1, words.end()});
  }
  return commands;
}

/// `--name value` or `name=value` in place of what is shown, or behind it.
void Set(Words& words, const std::string& name, const std::string& value) {
  if (name.starts_with("--")) {
    const auto shown = std::find(words.begin(), words.end(), name);
    if (shown != words.end()) words.erase(shown, std::min(shown + 2, words.end()));
    words.insert(words.end(), {name, value});
    return;
  }
  std::erase_if(words, [&](const std::string& word) { return word.starts_with(name + "="); });
  words.push_back(name + "=" + value);
}

bool Has(const Words& words, const std::string& part) {
  return std::any_of(words.begin(), words.end(),
                     [&](const std::string& word) { return word.find(part) != std::string::npos; });
}

/// The same command with less to do.
Words Short(Words words) {
  if (Has(words, "--help")) return words;
  const std::string command = words[0];
  if (command == "train") Set(words, "log.eval_episodes", "1");
  const bool cannot_consolidate =
      Has(words, "memory.core") || Has(words, "control") || Has(words, "instruction") || Has(words, "phases=learn");
  if (command == "train" && cannot_consolidate) Set(words, "train.max_minutes", "1e-6");
  if (command == "train" && !cannot_consolidate)
    for (const char* name : {"train.max_steps", "consolidate.max_steps"}) Set(words, name, "1");
  const bool clones = Has(words, "clone.max_steps") && !Has(words, "clone.max_steps=0");
  if (command == "train" && clones) Set(words, "clone.max_steps", "1");
  if (command == "train-sequence") Set(words, "train.max_updates", "1");
  if (command == "train-sequence" && Has(words, "consolidate")) Set(words, "consolidate.max_updates", "1");
  if (command == "train-sequence" && Has(words, "collision")) {
    Set(words, "task.test_frames", "100");
    Set(words, "evaluate.batch", "2");
  }
  if (command == "train-sequence" && Has(words, "copy")) {
    Set(words, "task.test_samples", "2");
    Set(words, "evaluate.batch", "2");
  }
  if (command == "eval" && (Has(words, "corridor") || Has(words, "examples"))) Set(words, "--episodes", "1");
  if (command == "train" && Has(words, "100k")) Set(words, "env.length_max", "200");
  if (command == "eval" && Has(words, "100k")) Set(words, "env.length_min", "200"), Set(words, "env.length_max", "200");
  std::erase(words, "--view");  // needs a display: window_test.cpp
  const bool opens_window = command == "view" && !Has(words, "--record") && !Has(words, "--save-episode");
  if (opens_window) Set(words, "--record", "view.png");
  if (command == "view") Set(words, "--step", "3");
  if (command == "bench") Set(words, "--seconds", "0.001");
  return words;
}

/// A folder where the commands find what they name: the tree's own files, and the example as a plug-in.
void Furnish(const tests::TemporaryFolder& folder) {
  for (const char* name : {"configs", "examples", "README.md"}) fs::create_symlink(kSource + "/" + name, folder / name);
  fs::create_symlink(kSource + "/README.md", folder / "text.txt");
  fs::create_directories(folder / "build/plugin");
  fs::create_symlink(LETHE_TEST_PLUGINS "/libplugin_echo.so", folder / "build/plugin/libecho.so");
}

void NoKeys() { ::dup2(::open("/dev/null", O_RDONLY), STDIN_FILENO); }

class ReadmePages : public testing::TestWithParam<std::string> {};

TEST_P(ReadmePages, EveryCommandRuns) {
  const tests::TemporaryFolder folder;
  Furnish(folder);
  const auto commands = CommandsIn(GetParam());
  ASSERT_FALSE(commands.empty()) << "no such page, or none in it";
  for (const Words& shown : commands) {
    if (shown[0] == "test") continue;  // the launcher's
    const Words words = Short(shown);
    const auto ended = tests::RunLethe(folder.path(), words, NoKeys);
    EXPECT_EQ(ended.exit_code, 0) << "./lethe " << fmt::format("{}", fmt::join(words, " ")) << "\n" << ended.err;
  }
}

INSTANTIATE_TEST_SUITE_P(Pages, ReadmePages,
                         testing::Values("README.md", "docs/viewer.md", "docs/results/memory.md",
                                         "docs/results/agents.md", "examples/trained/README.md"),
                         [](const auto& page) {
                           std::string name = page.param;
                           std::replace_if(
                               name.begin(), name.end(), [](char c) { return c == '/' || c == '.'; }, '_');
                           return name;
                         });

TEST(Readme, StartsWithTheTwoCommands) {
  const auto commands = CommandsIn("README.md");
  ASSERT_GE(commands.size(), 20u);
  EXPECT_EQ(commands[0], (Words{"train", "configs/corridor.yaml"}));
  EXPECT_EQ(commands[1], Words{"test"});
}

TEST(Readme, WhatIsShownIsRunWithLessToDo) {
  EXPECT_EQ(Short({"train-sequence", "x.yaml", "train.max_updates=2000"}),
            (Words{"train-sequence", "x.yaml", "train.max_updates=1"}));
  EXPECT_EQ(Short({"eval", "runs/corridor", "--episodes", "1000"}),
            (Words{"eval", "runs/corridor", "--episodes", "1"}));
  EXPECT_EQ(Short({"train", "--help"}), (Words{"train", "--help"}));
}

}  // namespace
}  // namespace lethe::tools
