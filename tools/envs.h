#pragma once

#include "tools/command.h"

namespace lethe::tools {

/// `lethe envs`: what there is to play, and golden episodes.
Command EnvsCommand();

}  // namespace lethe::tools
