#pragma once

#include <string>

namespace lethe::tools {

/// Where this program comes from; a run's config.yaml records it.
struct BuildInfo {
  std::string version;      ///< of the project, e.g. "0.1.0"
  std::string git_version;  ///< `git describe --always --dirty --tags` at build time; "unknown" outside a clone
  std::string compiler;     ///< e.g. "GNU 12.2.0"
  std::string flags;        ///< what the build type and the sanitizers add
};

/// Threads: pure.
BuildInfo GetBuildInfo();

}  // namespace lethe::tools
