#pragma once

#include <string>

namespace lethe::tools {

/// Starts `lethe view RUN` as a process of its own, at low priority and in a process group of its own, so that Ctrl-C
/// stops what started it and not the window. It stays when this process ends. Errors: std::system_error.
void StartViewerBeside(const std::string& run);

}  // namespace lethe::tools
