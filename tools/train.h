#pragma once

#include "tools/command.h"

namespace lethe::tools {

/// `lethe train`: trains, evaluates, plots.
Command TrainCommand();

}  // namespace lethe::tools
