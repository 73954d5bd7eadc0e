#pragma once

#include "tools/command_line.h"

namespace lethe::tools {

/// `lethe bench memory`: speed and memory of the cores, against the arithmetic limit and the published algorithm.
/// Returns the exit code.
int BenchMemory(const CommandLine& line);

}  // namespace lethe::tools
