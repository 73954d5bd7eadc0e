#include "tools/viewer/glyphs.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace lethe::tools {
namespace {

std::u32string Characters(std::string_view text) {
  std::u32string characters;
  while (!text.empty()) characters += TakeCharacter(text);
  return characters;
}

TEST(Glyphs, TextIsTakenByCharacters) {
  EXPECT_EQ(Characters("aé→日😀"), U"aé→日😀");
  EXPECT_EQ(Characters("a\x80"
                       "b"),
            U"a\xFFFD"
            U"b");
  EXPECT_EQ(Characters("\xE2\x86"), U"\xFFFD\xFFFD") << "cut short";
  EXPECT_EQ(Characters("\xE2\x86x"), U"\xFFFD\xFFFDx");
  EXPECT_EQ(Characters("\xFF\xC3\xA9"), U"\xFFFDé");
}

TEST(Glyphs, ACharacterIsDrawnOnceAndKept) {
  Font font(16, false);
  const Glyph& first = font.Get(U'g');
  for (char32_t c = U' '; c < U'~'; ++c) font.Get(c);
  EXPECT_EQ(&first, &font.Get(U'g'));
  EXPECT_EQ(first.coverage.size(), static_cast<size_t>(first.width) * static_cast<size_t>(first.height));
}

TEST(Glyphs, HoldTheirBoxOnly) {
  Font font(20, false);
  EXPECT_TRUE(font.Get(U' ').coverage.empty());
  const Glyph& stop = font.Get(U'.');
  EXPECT_LT(stop.width, 6);
  EXPECT_LT(stop.height, 6);
  EXPECT_GT(stop.dy, 10) << "near the base line";
}

TEST(Glyphs, SizesAndWeightsAreFontsOfTheirOwn) {
  Fonts fonts;
  EXPECT_EQ(&fonts.Get(13, false), &fonts.Get(13, false));
  EXPECT_NE(&fonts.Get(13, false), &fonts.Get(13, true));
  EXPECT_LT(fonts.Get(13, false).advance(), fonts.Get(26, false).advance());
  EXPECT_LT(fonts.Get(13, false).line_height(), fonts.Get(26, false).line_height());
}

}  // namespace
}  // namespace lethe::tools
