// The program `lethe`: finds the command, runs it, and turns errors into one line on stderr and an exit code:
// 2 for what the user can put right, 1 for everything else.

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <new>

#include "configs/document.h"
#include "configs/nearest.h"
#include "memory/torch.h"
#include "tools/bench.h"
#include "tools/envs.h"
#include "tools/eval.h"
#include "tools/freed_memory.h"
#include "tools/help.h"
#include "tools/inspect.h"
#include "tools/play.h"
#include "tools/plugins.h"
#include "tools/train.h"
#include "tools/train_sequence.h"
#include "tools/viewer/view.h"

namespace lethe::tools {
namespace {

std::vector<Command> Commands() {
  std::vector<Command> commands = {TrainCommand(),   TrainSequenceCommand(), EvalCommand(), ViewCommand(),
                                   InspectCommand(), EnvsCommand(),          PlayCommand(), BenchCommand()};
  for (Command& command : commands) command.flags.push_back(PluginFlag());
  return commands;
}

const Command& FindCommand(const std::vector<Command>& commands, const std::string& name) {
  std::vector<std::string> names = {"help"};
  for (const Command& command : commands) {
    if (command.name == name) return command;
    names.push_back(command.name);
  }
  const std::string near = configs::DidYouMean(name, names);
  throw UserError(fmt::format("unknown command `{}`{}", name, near.empty() ? "; `lethe help` lists them" : near));
}

int Print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  return 0;
}

int RunHelp(const std::vector<Command>& commands, const std::vector<std::string>& words) {
  if (words.empty()) return Print(ProgramHelp(commands));
  const bool about_options = words[0] == "options";
  if (words.size() > (about_options ? 2u : 1u))
    throw UserError(fmt::format("unexpected `{}` behind help {}", words.back(), words[0]));
  if (about_options) return Print(OptionsHelp(words.size() > 1 ? words[1] : "Corridor-v0"));
  return Print(CommandHelp(FindCommand(commands, words[0])));
}

int Dispatch(const std::string& program, std::vector<std::string> words) {
  const auto commands = Commands();
  const std::string plugins = LoadPlugins(words);
  if (words.empty() || words[0] == "--help" || words[0] == "-h") return Print(ProgramHelp(commands));
  if (words[0] == "--version") return Print(VersionText());
  const std::string name = words[0];
  words.erase(words.begin());
  if (name == "help") return RunHelp(commands, words);
  const Command& command = FindCommand(commands, name);
  const auto asks_help = [](const std::string& word) { return word == "--help" || word == "-h"; };
  if (std::any_of(words.begin(), words.end(), asks_help)) return Print(CommandHelp(command));
  return command.run(CommandLine(program + plugins, command.flags, words));
}

int Fail(int code, const std::string& message) {
  const std::string line = FirstLine(message);
  fmt::print(stderr, "lethe: {}{}\n", line, PluginHint(line));
  return code;
}

int Run(const std::string& program, const std::vector<std::string>& words) {
  try {
    return Dispatch(program, words);
  } catch (const UserError& error) {
    return Fail(2, error.what());
  } catch (const configs::OptionError& error) {
    return Fail(2, error.what());
  } catch (const std::bad_alloc&) {
    return Fail(1,
                "out of memory; what helps: fewer environments (train.num_envs), smaller levels, memory.dim or "
                "memory.span_limit");
  } catch (const std::exception& error) {
    return Fail(1, error.what());
  }
}

}  // namespace
}  // namespace lethe::tools

int main(int argc, char** argv) {
  lethe::tools::KeepFreedMemory();
  at::set_num_threads(1);  // our own threads do the parallel work
  return lethe::tools::Run(argc > 0 ? argv[0] : "lethe", {argv + std::min(argc, 1), argv + argc});
}
