#pragma once

#include "tools/command.h"

namespace lethe::tools {

/// `lethe play ID`: a person plays an environment.
Command PlayCommand();

}  // namespace lethe::tools
