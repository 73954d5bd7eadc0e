#include "tools/viewer/canvas.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/child_process.h"

namespace lethe::tools {
namespace {

constexpr Color kBlack = {0, 0, 0}, kWhite = {255, 255, 255}, kRed = {255, 0, 0}, kBlue = {0, 0, 255};

uint32_t PixelAt(Canvas& canvas, int x, int y) {
  return canvas.Pixels()[static_cast<size_t>(y) * static_cast<size_t>(canvas.width()) + static_cast<size_t>(x)];
}

std::vector<uint32_t> Copy(Canvas& canvas) { return {canvas.Pixels().begin(), canvas.Pixels().end()}; }

/// A line of text a row: . black, # white, r red, b blue, ? another colour.
std::string Picture(Canvas& canvas) {
  std::string text;
  for (int y = 0; y < canvas.height(); ++y) {
    for (int x = 0; x < canvas.width(); ++x) {
      const uint32_t pixel = PixelAt(canvas, x, y);
      text += pixel == 0xFF000000   ? '.'
              : pixel == 0xFFFFFFFF ? '#'
              : pixel == 0xFFFF0000 ? 'r'
              : pixel == 0xFF0000FF ? 'b'
                                    : '?';
    }
    text += '\n';
  }
  return text;
}

long NumPixels(Canvas& canvas, uint32_t pixel) {
  return std::count(canvas.Pixels().begin(), canvas.Pixels().end(), pixel);
}

TEST(Canvas, NeedsNoDisplay) {
  const std::string message = tests::MessageFromChild([] {
    ::unsetenv("DISPLAY");
    ::unsetenv("WAYLAND_DISPLAY");
    ::unsetenv("XDG_RUNTIME_DIR");
    Canvas canvas(30, 20);
    if (canvas.Text({0, 0}, "a") <= 0) throw std::runtime_error("no text");
  });
  EXPECT_EQ(message, "");
}

TEST(Canvas, StartsBlack) {
  Canvas canvas(3, 2);
  EXPECT_EQ(Picture(canvas), "...\n...\n");
  EXPECT_EQ(canvas.width(), 3);
  EXPECT_EQ(canvas.height(), 2);
}

TEST(Canvas, FillHasCrispEdgesAtEveryScale) {
  for (const double scale : {1.0, 1.5, 2.0, 0.75}) {
    Canvas canvas(40, 40, scale);
    canvas.Fill({2, 4, 10, 6}, kWhite);
    const auto edge = [&](double points) { return static_cast<int>(points * scale + 0.5); };
    for (int y = 0; y < 40; ++y)
      for (int x = 0; x < 40; ++x) {
        const bool inside = x >= edge(2) && x < edge(12) && y >= edge(4) && y < edge(10);
        EXPECT_EQ(PixelAt(canvas, x, y), inside ? 0xFFFFFFFF : 0xFF000000) << scale << " at " << x << "," << y;
      }
  }
}

// Blended, so that a pixel drawn twice differs from one drawn once. 1/3 and 0.1 are no binary numbers.
TEST(Canvas, CellsThatTouchNeitherOverlapNorLeaveGaps) {
  for (const double scale : {1.0, 1.25, 1.5, 2.0, 3.0})
    for (const double size : {1.0 / 3, 0.1, 1.0, 4.1, 13.0, 7.0 / 3}) {
      Canvas canvas(128, 128, scale);
      for (int row = 0; row * size < canvas.bounds().h; ++row)
        for (int column = 0; column * size < canvas.bounds().w; ++column)
          canvas.Fill({column * size, row * size, size, size}, {255, 255, 255, 128});
      EXPECT_EQ(NumPixels(canvas, 0xFF808080), 128 * 128) << "scale " << scale << ", size " << size;
    }
}

TEST(Canvas, BlendsEveryChannelToTheNearestValue) {
  Canvas canvas(256, 256);
  for (int x = 0; x < 256; ++x) canvas.Fill({double(x), 0, 1, 256}, {static_cast<uint8_t>(x), 10, 200});
  for (int y = 0; y < 256; ++y) canvas.Fill({0, double(y), 256, 1}, {90, 255, 0, static_cast<uint8_t>(y)});
  for (int y = 0; y < 256; ++y)
    for (int x = 0; x < 256; ++x) {
      const auto blend = [&](int from, int to) {
        return static_cast<uint32_t>((from * y + to * (255 - y)) / 255.0 + 0.5);
      };
      ASSERT_EQ(PixelAt(canvas, x, y), 0xFF000000 | blend(90, x) << 16 | blend(255, 10) << 8 | blend(0, 200));
    }
}

TEST(Canvas, MixGoesFromOneColorToTheOther) {
  EXPECT_EQ(Mix({0, 100, 255, 255}, {200, 0, 255, 55}, 0.5), (Color{100, 50, 255, 155}));
  EXPECT_EQ(Mix(kRed, kBlue, -1), kRed);
  EXPECT_EQ(Mix(kRed, kBlue, 2), kBlue);
}

TEST(Canvas, OutlineLiesInsideAndIsDrawnOnce) {
  Canvas canvas(6, 5);
  canvas.Outline({1, 1, 4, 3}, kWhite);
  EXPECT_EQ(Picture(canvas), "......\n.####.\n.#..#.\n.####.\n......\n");
  canvas.Clear(kBlack);
  canvas.Outline({0, 0, 6, 5}, {255, 255, 255, 128}, 2);
  EXPECT_EQ(NumPixels(canvas, 0xFF808080), 6 * 5 - 2);
  canvas.Clear(kBlack);
  canvas.Outline({0, 0, 3, 5}, {255, 255, 255, 128}, 2);  // no inside left
  EXPECT_EQ(NumPixels(canvas, 0xFF808080), 3 * 5);
}

TEST(Canvas, LinesIncludeBothEnds) {
  Canvas canvas(6, 4);
  canvas.Line({1, 0}, {4, 0}, kWhite);
  canvas.Line({5, 3}, {5, 1}, kRed);
  canvas.Line({0, 1}, {2, 3}, kBlue);
  EXPECT_EQ(Picture(canvas), ".####.\nb....r\n.b...r\n..b..r\n");
}

TEST(Canvas, LinesAreOnePointThickAndNoPixelIsDrawnTwice) {
  Canvas canvas(20, 20, 2);
  canvas.Line({1, 1}, {8, 4}, {255, 255, 255, 128});
  EXPECT_EQ(NumPixels(canvas, 0xFF808080), 15 * 2);
  canvas.Resize(20, 20, 1);
  canvas.Polyline(std::vector<Point>{{0, 0}, {5, 5}, {10, 0}, {10, 9}}, {255, 255, 255, 128});
  EXPECT_EQ(NumPixels(canvas, 0xFF808080), 6 + 5 + 9);
  EXPECT_EQ(NumPixels(canvas, 0xFF000000), 20 * 20 - 20);
}

TEST(Canvas, HatchGoesOnInTheNextBox) {
  Canvas whole(24, 12), halves(24, 12);
  whole.Hatch({1, 1, 22, 10}, kWhite);
  halves.Hatch({1, 1, 7, 10}, kWhite);
  halves.Hatch({8, 1, 15, 10}, kWhite);
  EXPECT_EQ(Copy(whole), Copy(halves));
  EXPECT_EQ(NumPixels(whole, 0xFFFFFFFF), 22 * 10 / 4);
}

TEST(Canvas, DiscsOfOneSizeAreSymmetricAndLookAlike) {
  Canvas canvas(6, 6);
  canvas.Disc({3, 3}, 2.5, kWhite);
  EXPECT_EQ(Picture(canvas), "......\n..###.\n.#####\n.#####\n.#####\n..###.\n");
  canvas.Resize(40, 40, 1.5);
  canvas.Disc({7.1, 8.3}, 4, {255, 255, 255, 128});
  canvas.Disc({17.9, 17.2}, 4, {255, 255, 255, 128});
  EXPECT_EQ(NumPixels(canvas, 0xFF808080), 2 * 112);
  canvas.Disc({1, 1}, 0, kRed);
  EXPECT_EQ(NumPixels(canvas, 0xFFFF0000), 1);
}

void DrawEverything(Canvas& canvas) {
  const Point far[] = {{-1e9, 3}, {1e9, 9}, {30, 1e9}, {7, -50}};
  canvas.Fill({-10, -10, 1e12, 20}, {255, 0, 0, 90});
  canvas.Outline({-3, 2, 500, 17}, kBlue, 3);
  canvas.Polyline(far, kWhite);
  canvas.Hatch({-5, -5, 300, 300}, {255, 255, 0, 100});
  canvas.Disc({4, 30}, 20, {0, 255, 255, 128});
  canvas.Text({-20, 10}, "text that is longer than the canvas is wide: äöü →", {13, true, kWhite});
}

TEST(Canvas, ClipLeavesOutWhatIsOutside) {
  for (const double scale : {1.0, 1.5}) {
    Canvas all(60, 50, scale), clipped(60, 50, scale);
    DrawEverything(all);
    clipped.Clip(Box{8, 6, 20, 14});
    DrawEverything(clipped);
    const auto edge = [&](double points) { return static_cast<int>(points * scale + 0.5); };
    for (int y = 0; y < 50; ++y)
      for (int x = 0; x < 60; ++x) {
        const bool inside = x >= edge(8) && x < edge(28) && y >= edge(6) && y < edge(20);
        ASSERT_EQ(PixelAt(clipped, x, y), inside ? PixelAt(all, x, y) : 0xFF000000) << x << "," << y;
      }
    clipped.Clear(kBlack);
    clipped.Clip({});
    DrawEverything(clipped);
    EXPECT_EQ(Copy(all), Copy(clipped));
  }
}

TEST(Canvas, AnEmptyClipAndNoNumbersDrawNothing) {
  Canvas canvas(20, 20);
  for (const Box& nothing : {Box{5, 5, 0, 10}, Box{5, 5, -3, 10}, Box{100, 0, 5, 5}, Box{-9, -9, 5, 5}}) {
    canvas.Clip(nothing);
    DrawEverything(canvas);
    canvas.Clip({});
    canvas.Fill(nothing, kWhite);
    canvas.Hatch(nothing, kWhite);
  }
  const double nan = std::numeric_limits<double>::quiet_NaN();
  canvas.Fill({nan, nan, nan, nan}, kWhite);
  canvas.Line({nan, 0}, {nan, 5}, kWhite);
  EXPECT_EQ(NumPixels(canvas, 0xFF000000), 20 * 20);
}

TEST(Canvas, TextIsAsWideAsItsCharacters) {
  for (const double scale : {1.0, 1.5, 2.0}) {
    Canvas canvas(300, 60, scale);
    for (const TextStyle& style : {TextStyle{11}, TextStyle{13, true}, TextStyle{20}}) {
      const double advance = canvas.Advance(style);
      EXPECT_NEAR(advance, 0.6 * style.size, 0.55);
      EXPECT_GT(canvas.LineHeight(style), style.size);
      EXPECT_DOUBLE_EQ(canvas.Width("12 ± é→", style), 7 * advance);
      EXPECT_DOUBLE_EQ(canvas.Text({3, 3}, "12 ± é→", style), 7 * advance);
      EXPECT_EQ(canvas.Width("", style), 0);
    }
  }
}

TEST(Canvas, TextStaysInItsBox) {
  for (const double scale : {1.0, 1.5, 2.0})
    for (const int size : {9, 11, 13, 16, 24}) {
      Canvas canvas(400, 90, scale);
      const TextStyle style = {size, false, kWhite};
      const double width = canvas.Text({8, 8}, "gjpqy|ÄÅW@_", style);
      const Box box = {8, 8, width, canvas.LineHeight(style)};
      EXPECT_GT(NumPixels(canvas, 0xFF000000), 0);
      canvas.Fill(box, kBlack);
      EXPECT_EQ(NumPixels(canvas, 0xFF000000), 400 * 90) << "scale " << scale << ", size " << size;
    }
}

TEST(Canvas, TextHasItsColorWeightAndAlpha) {
  Canvas canvas(60, 20);
  const auto ink = [&](const TextStyle& style) {
    canvas.Clear(kBlack);
    canvas.Text({0, 0}, "Memory", style);
    uint64_t sum = 0;
    for (const uint32_t pixel : canvas.Pixels()) {
      EXPECT_EQ(pixel & 0xFF00FFFF, 0xFF000000) << "red only";
      sum += pixel >> 16 & 0xFF;
    }
    return sum;
  };
  const uint64_t plain = ink({13, false, kRed});
  EXPECT_GT(ink({13, true, kRed}), plain * 11 / 10);
  EXPECT_NEAR(static_cast<double>(ink({13, false, {255, 0, 0, 128}})), static_cast<double>(plain) / 2, plain * 0.01);
  EXPECT_EQ(ink({13, false, {255, 0, 0, 0}}), 0u);
}

TEST(Canvas, ACharacterThatTheFontLacksIsABox) {
  Canvas canvas(10, 20);
  const auto drawn = [&](const char* text) {
    canvas.Clear(kBlack);
    canvas.Text({0, 0}, text);
    return Copy(canvas);
  };
  const auto box = drawn("日");
  EXPECT_NE(box, drawn(" "));
  EXPECT_EQ(box, drawn("\t"));
  EXPECT_NE(box, drawn("\xff")) << "bytes that are no UTF-8 are question marks";
  EXPECT_EQ(drawn("\xff"), drawn("�"));
}

TEST(Canvas, HasWhatAViewerWrites) {
  Canvas canvas(10, 20);
  canvas.Text({0, 0}, "日");
  const auto box = Copy(canvas);
  for (const char* text : {"·", "×", "±", "≤", "≥", "→", "←", "↑", "↓", "▶", "●", "◆", "■", "□", "…", "–",
                           "—", "─", "│", "é", "ß", "λ", "Σ", "✓", "✗", "█", "▁", "▾", "≈", "∞", "√", "²"}) {
    for (const bool bold : {false, true}) {
      canvas.Clear(kBlack);
      canvas.Text({0, 0}, text, {13, bold});
      EXPECT_NE(Copy(canvas), box) << text;
      EXPECT_LT(NumPixels(canvas, 0xFF000000), 10 * 20) << text;
    }
  }
}

TEST(Canvas, TheSameCallsGiveTheSamePixels) {
  Canvas first(70, 60, 1.5), second(7, 6);
  DrawEverything(first);
  const auto once = Copy(first);
  second.Resize(70, 60, 1.5);
  DrawEverything(second);
  EXPECT_EQ(once, Copy(second));
  first.Resize(70, 60, 1.5);
  EXPECT_EQ(NumPixels(first, 0xFF000000), 70 * 60);
  DrawEverything(first);
  EXPECT_EQ(once, Copy(first));
}

TEST(Canvas, EveryPixelIsOpaque) {
  Canvas canvas(40, 40);
  canvas.Clear({1, 2, 3, 4});
  DrawEverything(canvas);
  for (const uint32_t pixel : canvas.Pixels()) ASSERT_EQ(pixel >> 24, 255u);
}

TEST(Canvas, RefusesSizesOutOfRange) {
  EXPECT_THROW(Canvas(0, 5), std::invalid_argument);
  EXPECT_THROW(Canvas(5, -1), std::invalid_argument);
  EXPECT_THROW(Canvas(16385, 5), std::invalid_argument);
  EXPECT_THROW(Canvas(5, 5, 0.4), std::invalid_argument);
  EXPECT_THROW(Canvas(5, 5, 9), std::invalid_argument);
  EXPECT_THROW(Canvas(5, 5, std::numeric_limits<double>::quiet_NaN()), std::invalid_argument);
  Canvas canvas(16384, 1, 8);
  EXPECT_THROW(canvas.Resize(1, 0, 1), std::invalid_argument);
  EXPECT_EQ(canvas.width(), 16384);
  EXPECT_GT(canvas.Text({0, 0}, "x", {0}), 0);
  EXPECT_GT(canvas.Text({0, 0}, "x", {100000}), 0);
}

}  // namespace
}  // namespace lethe::tools
