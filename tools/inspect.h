#pragma once

#include "tools/command.h"

namespace lethe::tools {

/// `lethe inspect RUN [TEXT]`: which characters a language model remembers, and for how long.
Command InspectCommand();

}  // namespace lethe::tools
