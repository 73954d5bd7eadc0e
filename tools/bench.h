#pragma once

#include "tools/command.h"

namespace lethe::tools {

/// `lethe bench`: how fast the program is, against the arithmetic limit of the machine.
Command BenchCommand();

}  // namespace lethe::tools
