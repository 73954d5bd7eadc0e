#pragma once

#include <vector>

#include "tools/command_line.h"

namespace lethe::tools {

/// Of `lethe view`, with and without a viewer in this build.
inline std::vector<Flag> ViewFlags() {
  return {
      {"seed", "N", "of the levels; default: that of the run, or 1"},
      {"episode", "N", "number of the first episode; default 0"},
      {"actions", "sample|greedy|oracle|random", "who chooses; default: sample with a policy, else oracle"},
      {"speed", "N|max", "steps per second; default 8"},
      {"step", "N", "show this step first, or make the picture of it; default: the beginning, or the end"},
      {"paused", "", "wait before the first step"},
      {"living", "", "show living memories only"},
      {"size", "WxH", "of the window or the pictures, in pixels, from 480x320 points on; default 1280x800"},
      {"scale", "S", "pixels per point, 0.5 to 8; default: 1, or that of a screen that tells"},
      {"record", "FILE", "write pictures instead of opening a window"},
      {"episodes", "N", "episodes to record; default 1"},
      {"save-episode", "FILE", "play one episode and save it for exact replay, instead of opening a window"},
  };
}

}  // namespace lethe::tools
