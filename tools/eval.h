#pragma once

#include "tools/command.h"

namespace lethe::tools {

/// `lethe eval`: what a trained agent scores and remembers.
Command EvalCommand();

}  // namespace lethe::tools
