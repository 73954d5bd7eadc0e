#pragma once

#include "tools/command_line.h"

namespace lethe::tools {

/// `lethe bench envs [ID ...]`: steps per second of environments alone, against the time to write their observations.
/// Returns the exit code.
int BenchEnvs(const CommandLine& line);

}  // namespace lethe::tools
