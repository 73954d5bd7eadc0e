#pragma once

#include "envs/registration.h"

namespace lethe::envs {

/// What can be told of an environment without knowing its rules, in about the time of one step:
/// - the id is the family, words of letters and digits behind dashes, and "-v" with the version: "Corridor-1k-Mix-v0";
/// - its parameters can be made and are in range, and a batch of them can be made;
/// - the spec is complete: names of their own for all actions, meanings for all tokens, vocabularies 2..256, the score
///   metric among the metrics, "steps" the last of them; the curriculum parameter, if any, among the integer ones;
/// - an episode starts and takes a step, with all tokens written, inside their vocabularies, and nothing behind them.
/// Errors: std::invalid_argument, "Echo-v0: " and what is wrong; whatever the environment itself throws.
void CheckEntry(const Entry& entry);

}  // namespace lethe::envs
