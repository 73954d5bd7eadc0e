#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace lethe::tools {

/// A colour 0xRRGGBB and how many pixels have it.
struct CountedColor {
  uint32_t color = 0;
  uint64_t pixels = 0;
};

/// At most `most` colours that stand for all of these: the set with the largest squared error is cut at its mean along
/// the channel where it spreads most, until there are enough sets; each gives its mean. Colours may come in any order.
std::vector<uint32_t> ReduceColors(std::vector<CountedColor> colors, size_t most);

/// Index of the colour with the least squared distance; of equals the first. palette: not empty.
size_t NearestColor(std::span<const uint32_t> palette, uint32_t color);

}  // namespace lethe::tools
