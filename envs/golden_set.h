#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "envs/registry.h"

namespace lethe::envs {

/// The golden episodes of a new environment: success, failure, out of time, random actions, and hint on, one line each
/// (see envs/golden.h). `params` as for Entry::make_batch; make levels short by them. Kinds of episodes that do not
/// come up in 1,000 tries are left out: not every environment can run out of time. Errors: std::invalid_argument for
/// parameters out of range.
std::vector<std::string> RecordGoldenSet(const Entry& entry, const Params& params, uint64_t seed);

}  // namespace lethe::envs
