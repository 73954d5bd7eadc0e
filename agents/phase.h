#pragma once

#include <string>
#include <vector>

namespace lethe::agents {

/// What a training does for a while: clone an oracle, learn by reward, forget what the task does not need.
enum class Phase { kClone, kLearn, kConsolidate, kDone };

std::string PhaseName(Phase phase);

/// "clone learn consolidate" -> phases in this order; each may stand there as often as wanted.
/// Errors: std::invalid_argument naming the word that is none, and the nearest one that is.
std::vector<Phase> ParsePhases(const std::string& names);

}  // namespace lethe::agents
