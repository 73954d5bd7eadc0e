#pragma once

#include <string>

#include "tools/viewer/session.h"

namespace lethe::tools {

struct WindowOptions {
  int width = 1280, height = 800;  ///< in points
  double scale = 0;                ///< pixels per point; 0: that of the screen
  double seconds = 0;              ///< after which the window closes by itself; 0: never
};

/// How a window kept up.
struct WindowPace {
  int64_t frames = 0;
  double seconds = 0, cpu_seconds = 0;
  double frames_per_s() const { return static_cast<double>(frames) / seconds; }
};

/// Shows a session in a window until the person closes it or a signal asks to stop: input goes into the session, frames
/// come out of it at up to 60 a second; while nothing moves, only a few. Errors: UserError with SDL's reason
/// where no window can be opened.
WindowPace ShowInWindow(Session& session, const WindowOptions& options);

/// Whether there is a screen to open a window on.
bool HasDisplay();

}  // namespace lethe::tools
