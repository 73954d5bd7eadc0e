#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "envs/registry.h"

namespace lethe::tools {

/// An environment and its levels as named on the command line: `ID [seed=N] [option=value ...]`, options of the
/// environment without "env.".
struct LevelOptions {
  /// Errors: UserError for an unknown id, configs::OptionError for options.
  LevelOptions(const std::string& id, const std::vector<std::string>& overrides);

  /// A batch of one. Errors: UserError for options that do not go together.
  std::unique_ptr<envs::EnvBatch> MakeBatch(envs::Purpose purpose) const;

  const envs::Entry& entry;
  std::unique_ptr<envs::Params> params;
  int64_t seed = 1;
};

}  // namespace lethe::tools
