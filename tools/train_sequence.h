#pragma once

#include "tools/command.h"

namespace lethe::tools {

/// `lethe train-sequence`: trains a model on a sequence task, evaluates, plots.
Command TrainSequenceCommand();

}  // namespace lethe::tools
