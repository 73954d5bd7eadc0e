#include "tools/help.h"

#include <fmt/format.h>
#include <torch/version.h>

#include <algorithm>

#include "agents/options.h"
#include "agents/sequence_options.h"
#include "tools/build_info.h"
#include "tools/user_error.h"

namespace lethe::tools {

std::string ProgramHelp(const std::vector<Command>& commands) {
  std::string text =
      "lethe trains agents that predict, for every step they live through, how long it is worth remembering,\n"
      "and really forget it afterwards.\n\nusage: lethe COMMAND ...\n\n";
  for (const Command& command : commands) text += fmt::format("  {:<16}{}\n", command.name, command.summary);
  text +=
      "  help options    every option of a run, with its range and meaning\n"
      "  help COMMAND    the same as COMMAND --help\n\n"
      "flags: --help, --version; --plugin FILE before or behind any command adds environments of your own\n\n"
      "A first look (ten seconds, then a table of what it learned):\n"
      "  lethe train configs/corridor_10.yaml\n";
  return text;
}

std::string CommandHelp(const Command& command) {
  std::string text = fmt::format("usage: lethe {} {}\n\n{}\n\nflags:\n", command.name, command.usage, command.details);
  for (const Flag& flag : command.flags) {
    const std::string name = "--" + flag.name + (flag.value_name.empty() ? "" : " " + flag.value_name);
    text += fmt::format("  {:<24}{}\n", name, flag.meaning);
  }
  return text + fmt::format("  {:<24}{}\n", "--help", "this text");
}

namespace {

constexpr const char* kOptionsHead =
    "Options of a run on {}. In a config file they stand in sections,\n\n"
    "  train:\n    {}: 64\n\non the command line as train.{}=64.\n\n{}";

std::string SequenceOptionsHelp(const std::string& task_id) {
  agents::SequenceOptions run;
  run.SetTask(task_id);
  configs::Options options;
  run.Visit(options);
  return envs::sequence::Find(task_id).rules + "\n" +
         fmt::format(fmt::runtime(kOptionsHead), task_id, "batch", "batch", options.Help());
}

}  // namespace

std::string OptionsHelp(const std::string& id) {
  const auto tasks = envs::sequence::Ids();
  if (std::find(tasks.begin(), tasks.end(), id) != tasks.end()) return SequenceOptionsHelp(id);
  agents::RunOptions run;
  AsUserError([&] { run.SetEnv(id); });
  configs::Options options;
  run.Visit(options);
  return fmt::format(fmt::runtime(kOptionsHead), id, "num_envs", "num_envs", options.Help());
}

std::string VersionText() {
  const BuildInfo build = GetBuildInfo();
  return fmt::format("lethe {} ({}), LibTorch {}, {}\n", build.version, build.git_version, TORCH_VERSION,
                     build.compiler);
}

}  // namespace lethe::tools
