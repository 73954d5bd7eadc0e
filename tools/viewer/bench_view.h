#pragma once

#include "tools/command_line.h"

namespace lethe::tools {

/// `lethe bench view`: how long the parts of a frame take. Returns the exit code.
int BenchView(const CommandLine& line);

}  // namespace lethe::tools
