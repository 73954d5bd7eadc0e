// Every command that the documentation shows exists: the program knows the command and its flags, the options that it
// sets, and the files that it names are there.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace lethe::tools {
namespace {

/// A line `./lethe ...` of a code block, cut into words; comments and redirections end it.
struct ShownCommand {
  std::string file;
  std::vector<std::string> words;
};

std::vector<std::string> WordsOf(const std::string& line) {
  std::vector<std::string> words;
  std::istringstream text(line);
  for (std::string word; text >> word && word[0] != '#' && word[0] != '>' && word != "&&" && word != "|";)
    words.push_back(word);
  return words;
}

std::vector<ShownCommand> CommandsIn(const std::string& file) {
  std::vector<ShownCommand> commands;
  std::ifstream text(std::string(LETHE_SOURCE_DIR) + "/" + file);
  bool in_code = false;
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with("```")) in_code = !in_code;
    const auto words = WordsOf(line);
    if (in_code && words.size() > 1 && words[0] == "./lethe")
      commands.push_back({file, {words.begin() + 1, words.end()}});
  }
  return commands;
}

/// Output of the program; its exit code is appended as "exit N".
std::string Output(const std::string& arguments) {
  const std::string command = std::string(LETHE_BINARY) + " " + arguments + " 2>&1";
  FILE* pipe = ::popen(command.c_str(), "r");
  std::string output;
  std::array<char, 4096> piece;
  for (size_t got; (got = std::fread(piece.data(), 1, piece.size(), pipe)) > 0;) output.append(piece.data(), got);
  return output + "exit " + std::to_string(::pclose(pipe) >> 8);
}

/// The program's own words, asked once each.
const std::string& Help(const std::string& arguments) {
  static std::map<std::string, std::string> asked;
  auto found = asked.find(arguments);
  if (found == asked.end()) found = asked.emplace(arguments, Output(arguments)).first;
  return found->second;
}

bool IsOverride(const std::string& word) {
  const size_t end = word.find('=');
  return end != std::string::npos && word.find_first_not_of("abcdefghijklmnopqrstuvwxyz_.0123456789") == end;
}

/// Options are listed one a line, their dotted name first. `envs record` takes those of env alone, without "env.".
bool KnowsOption(const std::string& override_word) {
  const std::string name = override_word.substr(0, override_word.find('='));
  const std::string options = Help("help options") + Help("help options CharLM-v0");
  return options.find("\n" + name + " ") != std::string::npos ||
         options.find("\nenv." + name + " ") != std::string::npos;
}

bool IsMissingFile(const std::string& word) {
  const bool is_path = word.starts_with("configs/") || word.starts_with("tests/");
  return is_path && !std::filesystem::exists(std::string(LETHE_SOURCE_DIR) + "/" + word);
}

/// What is wrong with a word behind a command whose help is `help`; "" if nothing.
std::string Fault(const std::string& word, const std::string& help) {
  if (word.starts_with("--") && help.find(word.substr(0, word.find('=')) + " ") == std::string::npos)
    return "unknown flag " + word;
  if (IsOverride(word) && !KnowsOption(word)) return "unknown option " + word;
  return IsMissingFile(word) ? word + " is missing" : "";
}

void Check(const ShownCommand& shown) {
  const std::string& command = shown.words[0];
  if (command == "test" || command.starts_with("-")) return;
  const std::string help = command == "help" ? Help("help") : Help(command + " --help");
  EXPECT_NE(help.find("exit 0"), std::string::npos) << command << ": " << help;
  for (const std::string& word : shown.words) EXPECT_EQ(Fault(word, help), "") << command;
}

std::set<std::string> CommandNames() {
  std::set<std::string> names;
  for (const ShownCommand& shown : CommandsIn("README.md")) names.insert(shown.words[0]);
  return names;
}

class ReadmeCommand : public testing::TestWithParam<std::string> {};

TEST_P(ReadmeCommand, Exists) {
  for (const ShownCommand& shown : CommandsIn("README.md"))
    if (shown.words[0] == GetParam()) Check(shown);
}

INSTANTIATE_TEST_SUITE_P(Every, ReadmeCommand, testing::ValuesIn(CommandNames()),
                         [](const auto& shown) { return std::regex_replace(shown.param, std::regex("[^a-z]"), "_"); });

TEST(Readme, StartsWithTheTwoCommands) {
  const auto commands = CommandsIn("README.md");
  ASSERT_GE(commands.size(), 8u);
  EXPECT_EQ(commands[0].words, (std::vector<std::string>{"train", "configs/corridor.yaml"}));
  EXPECT_EQ(commands[1].words, std::vector<std::string>{"test"});
}

TEST(Readme, UnknownWordsAreFound) {
  const std::string help = Help("train --help");
  EXPECT_NE(Fault("--no-such-flag", help), "");
  EXPECT_NE(Fault("--run", help), "");  // --run-dir is another
  EXPECT_NE(Fault("env.no_such_option=1", help), "");
  EXPECT_NE(Fault("configs/none.yaml", help), "");
  for (const char* right : {"--run-dir", "train.max_steps=1", "configs/corridor.yaml"})
    EXPECT_EQ(Fault(right, help), "");
}

}  // namespace
}  // namespace lethe::tools
