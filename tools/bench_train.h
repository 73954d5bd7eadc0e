#pragma once

#include "tools/command_line.h"

namespace lethe::tools {

/// `lethe bench train`: steps per second of the whole actor-learner, against the arithmetic limit. Returns the exit
/// code.
int BenchTrain(const CommandLine& line);

}  // namespace lethe::tools
