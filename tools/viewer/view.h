#pragma once

#include <string>
#include <vector>

#include "tools/command.h"

namespace lethe::tools {

// What the rest of the program knows of the viewer. Builds without SDL have it too (absent.cpp), and say so.

/// `lethe view`: episodes and what is remembered of them, in a window or in pictures.
Command ViewCommand();

/// `lethe play ID` in a window: a person acts. Returns the exit code. Errors: UserError, configs::OptionError.
int PlayInWindow(const std::string& id, const std::vector<std::string>& overrides, bool is_blind);

/// Whether there is a display, and a viewer to show something on it.
bool CanOpenWindow();
/// Errors: UserError saying why no window can be opened.
void RequireWindow();

}  // namespace lethe::tools
