#pragma once

#include <vector>

#include "agents/options.h"
#include "configs/safetensors.h"

namespace lethe::agents {

/// True where a file's policy has one layer fewer than these options ask for, and no glance while they ask for one.
bool CanGrow(const configs::SafetensorsFile& file, const RunOptions& options);

/// A file's policy with a glance and one layer more behind its last: at first it does what it did. The new layer is the
/// identity, the glance asks in every head what that head of the pointer asks, and what it tells is 0. So it sees what
/// the policy already knows to look for, and training has only to learn what to do with it later. More ages may have a
/// learned key (memory.positions): the new ones are 0, so that these ages are read by content alone, as before.
/// Errors: configs::SafetensorsError; std::invalid_argument for options that cannot be begun like this: pre_norm,
/// gates, another number of heads than policy.cell_heads, or shapes that do not fit.
std::vector<float> GrownWeights(const configs::SafetensorsFile& file, const RunOptions& options);

}  // namespace lethe::agents
