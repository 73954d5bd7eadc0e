#pragma once

#include <string>
#include <vector>

#include "agents/options.h"
#include "configs/safetensors.h"

namespace lethe::agents {

/// What these options ask for, a file's policy has not, and GrownWeights adds, in words: a recurrent front, a glance
/// together with one layer more, the last action among what it sees, or an explainer of what the scout tells here.
std::vector<std::string> PartsToGrow(const configs::SafetensorsFile& file, const RunOptions& options);

/// A file's policy with these parts: at first it does what it did. Nothing of the front is joined to what the memory
/// reads, and nothing of the last action heard; no action depends on what the explainer tells. The new layer, behind
/// the last, is the identity, the glance asks in every head what that head of the pointer asks, and what it tells is 0.
/// So it sees what the policy already knows to look for, and training has only to learn what to do with it later. With
/// them more ages may have a learned key (memory.positions): the new ones are 0, so that these ages are read by content
/// alone, as before. Errors: configs::SafetensorsError; std::invalid_argument for shapes that do not fit, and where a
/// glance is added for options with which it cannot begin like this: pre_norm, gates, another number of heads than
/// policy.cell_heads.
std::vector<float> GrownWeights(const configs::SafetensorsFile& file, const RunOptions& options);

}  // namespace lethe::agents
