#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "tools/viewer/session.h"

namespace lethe::tools {

struct RecordingOptions {
  std::string path;
  int width = 1280, height = 800;  ///< in pixels
  double scale = 1;
  int64_t episodes = 1;
  double steps_per_second = 8;  ///< infinity: as many as pictures
  int64_t last_step = -1;       ///< of every episode; -1: to its end
  std::function<bool()> stop;   ///< asked between pictures; true ends the recording early, with what there is
};

/// Plays whole episodes and writes what a window of that size would show, without a display. One picture a step up to
/// 25 steps a second; beyond that 25 pictures a second, each so many steps on. The end of an episode stays for a
/// second. A single PNG shows the last step alone. Returns the pictures written. Errors: as MakeRecorder and
/// Session::PlayStep.
int64_t Record(Session& session, const RecordingOptions& options);

}  // namespace lethe::tools
