#pragma once

#include <string>
#include <vector>

#include "tools/command.h"

namespace lethe::tools {

/// `lethe --help`: what the program is and its commands.
std::string ProgramHelp(const std::vector<Command>& commands);

/// `lethe train --help`: usage, details, flags.
std::string CommandHelp(const Command& command);

/// `lethe help options`: every option of a run on the given environment or sequence task, and the rules of the task.
/// Errors: UserError for an unknown id.
std::string OptionsHelp(const std::string& id);

/// `lethe --version`.
std::string VersionText();

}  // namespace lethe::tools
