#include "tools/viewer/palette.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace lethe::tools {
namespace {

constexpr int kChannels = 3;

int Channel(uint32_t color, int channel) { return static_cast<int>(color >> (8 * channel) & 0xFF); }

/// Neighbouring colours of the list, which stand together.
struct ColorSet {
  explicit ColorSet(std::span<CountedColor> all) : colors(all) {
    double pixels = 0, squares[kChannels] = {};
    for (const CountedColor& counted : colors) {
      const auto weight = static_cast<double>(counted.pixels);
      pixels += weight;
      for (int i = 0; i < kChannels; ++i) {
        mean[i] += weight * Channel(counted.color, i);
        squares[i] += weight * Channel(counted.color, i) * Channel(counted.color, i);
      }
    }
    for (int i = 0; i < kChannels; ++i) {
      mean[i] /= pixels;
      const double error_of_channel = squares[i] - pixels * mean[i] * mean[i];
      if (error_of_channel > error) error = error_of_channel, widest = i;
    }
    if (colors.size() == 1) error = 0;  // whatever rounding left
  }

  /// Those above the mean; neither they nor the rest are empty.
  std::span<CountedColor> Above() const {
    const auto above = std::partition(colors.begin(), colors.end(), [&](const CountedColor& counted) {
      return Channel(counted.color, widest) <= mean[widest];
    });
    return {above, colors.end()};
  }

  uint32_t Mean() const {
    uint32_t color = 0;
    for (int i = 0; i < kChannels; ++i) color |= static_cast<uint32_t>(std::lround(mean[i])) << (8 * i);
    return color;
  }

  std::span<CountedColor> colors;
  double mean[kChannels] = {};
  double error = 0;  ///< along the channel `widest`
  int widest = 0;
};

}  // namespace

std::vector<uint32_t> ReduceColors(std::vector<CountedColor> colors, size_t most) {
  std::vector<uint32_t> palette;
  if (colors.empty()) return palette;
  std::sort(colors.begin(), colors.end(), [](const auto& a, const auto& b) { return a.color < b.color; });
  std::vector<ColorSet> sets = {ColorSet(colors)};
  while (sets.size() < most) {
    const auto worst =
        std::max_element(sets.begin(), sets.end(), [](const auto& a, const auto& b) { return a.error < b.error; });
    const auto above = worst->error > 0 ? worst->Above() : std::span<CountedColor>();
    if (above.empty() || above.size() == worst->colors.size()) break;
    *worst = ColorSet(worst->colors.first(worst->colors.size() - above.size()));
    sets.emplace_back(above);
  }
  for (const ColorSet& set : sets) palette.push_back(set.Mean());
  return palette;
}

size_t NearestColor(std::span<const uint32_t> palette, uint32_t color) {
  size_t nearest = 0;
  int least = std::numeric_limits<int>::max();
  for (size_t i = 0; i < palette.size(); ++i) {
    int distance = 0;
    for (int c = 0; c < kChannels; ++c) {
      const int difference = Channel(palette[i], c) - Channel(color, c);
      distance += difference * difference;
    }
    if (distance < least) least = distance, nearest = i;
  }
  return nearest;
}

}  // namespace lethe::tools
