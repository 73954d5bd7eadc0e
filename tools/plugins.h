#pragma once

#include <string>
#include <vector>

#include "tools/command_line.h"

namespace lethe::tools {

/// `--plugin FILE`: a flag of every command, and the only one that may be given several times.
Flag PluginFlag();

/// Takes every `--plugin FILE` and `--plugin=FILE` out of the words and loads the files in that order, so that the
/// command finds their environments like any other. Returns " --plugin FILE" for each: what a suggestion of the next
/// command needs behind the program's name. Errors: UserError for a file that is missing or refused (envs/plugin.h).
std::string LoadPlugins(std::vector<std::string>& words);

/// The files that LoadPlugins has loaded, in order.
const std::vector<std::string>& LoadedPlugins();

/// What to say behind a message about an unknown environment if no plug-in was loaded; "" behind any other.
std::string PluginHint(const std::string& message);

}  // namespace lethe::tools
