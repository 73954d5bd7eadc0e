#include "tools/viewer/palette.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace lethe::tools {
namespace {

using Colors = std::vector<uint32_t>;

Colors Sorted(Colors colors) {
  std::sort(colors.begin(), colors.end());
  return colors;
}

TEST(Palette, KeepsColorsThatFit) {
  EXPECT_EQ(Sorted(ReduceColors({{0x30, 5}, {0x10, 1}, {0x20, 1000000}}, 3)), (Colors{0x10, 0x20, 0x30}));
  EXPECT_EQ(ReduceColors({{0xABCDEF, 7}}, 256), Colors{0xABCDEF});
  EXPECT_TRUE(ReduceColors({}, 256).empty());
}

TEST(Palette, CutsBetweenGroupsAndWeighsByPixels) {
  EXPECT_EQ(Sorted(ReduceColors({{0x000000, 1}, {0x000004, 3}, {0xFF0000, 1}, {0xFF0800, 1}}, 2)),
            (Colors{0x000003, 0xFF0400}));
}

TEST(Palette, DoesNotDependOnTheOrder) {
  std::vector<CountedColor> colors;
  for (uint32_t i = 0; i < 5000; ++i) colors.push_back({i * 2654435761u & 0xFFFFFF, i % 7 + 1});
  const Colors palette = ReduceColors(colors, 255);
  EXPECT_EQ(palette.size(), 255u);
  std::reverse(colors.begin(), colors.end());
  EXPECT_EQ(ReduceColors(colors, 255), palette);
}

TEST(Palette, NearestIsTheFirstOfTheClosest) {
  const Colors palette = {0x000000, 0x0A0000, 0x00000A, 0x0A0000};
  EXPECT_EQ(NearestColor(palette, 0x040000), 0u);
  EXPECT_EQ(NearestColor(palette, 0x060000), 1u);
  EXPECT_EQ(NearestColor(palette, 0x00010B), 2u);
}

}  // namespace
}  // namespace lethe::tools
