#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tools/command_line.h"

namespace lethe::tools {

/// One command of the program: `lethe NAME ...`.
struct Command {
  std::string name;
  std::string usage;    ///< what follows the name: "CONFIG.yaml [key=value ...] [flags]"
  std::string summary;  ///< one line, for the list of commands
  std::string details;  ///< what a newcomer has to know, with examples; lines of at most 100 columns
  std::vector<Flag> flags;
  /// Returns the exit code. Errors: UserError, configs::OptionError (exit code 2); anything else (exit code 1).
  std::function<int(const CommandLine&)> run;
};

}  // namespace lethe::tools
