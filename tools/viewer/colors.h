#pragma once

#include <algorithm>
#include <array>

#include "tools/viewer/canvas.h"

namespace lethe::tools {

// The colours of the viewer.
inline constexpr Color kBackground = {18, 20, 26}, kPanel = {26, 29, 37}, kEdge = {52, 57, 70}, kText = {222, 225, 232},
                       kFaint = {132, 139, 155}, kAccent = {120, 200, 255}, kWarning = {255, 190, 90},
                       kGood = {110, 220, 130}, kBad = {255, 100, 100}, kCue = {255, 255, 255}, kMark = {255, 225, 90};

/// Of things, by their number in envs/grid.h: none, red, blue, green, yellow, purple, cyan, orange, white.
inline constexpr std::array<Color, 9> kThingColors = {{{150, 155, 165},
                                                       {232, 72, 72},
                                                       {78, 132, 255},
                                                       {70, 196, 96},
                                                       {245, 214, 66},
                                                       {186, 104, 230},
                                                       {64, 208, 216},
                                                       {248, 148, 48},
                                                       {240, 240, 240}}};

/// A remaining span as a colour, share 0..1: short is violet, long is yellow.
inline Color Warmth(double share) {
  constexpr std::array<Color, 5> kStops = {
      {{96, 56, 160}, {64, 110, 210}, {34, 168, 160}, {122, 209, 81}, {253, 231, 37}}};
  const double place = std::clamp(share, 0.0, 1.0) * (kStops.size() - 1);
  const auto stop = std::min<size_t>(static_cast<size_t>(place), kStops.size() - 2);
  return Mix(kStops[stop], kStops[stop + 1], place - static_cast<double>(stop));
}

/// Of memories that have expired: long ago, and just now.
inline constexpr Color kDead = {34, 38, 48}, kEmber = {120, 64, 52};

/// Of a living memory; both shares are 0..1. One without attention can still be told from a dead one.
inline Color MemoryColor(double warmth, double brightness) {
  constexpr double kFaintest = 0.28;
  return Mix(kPanel, Warmth(warmth), kFaintest + (1 - kFaintest) * brightness);
}

}  // namespace lethe::tools
