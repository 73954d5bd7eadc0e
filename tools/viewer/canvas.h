#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace lethe::tools {

struct Color {
  uint8_t r = 0, g = 0, b = 0, a = 255;
  bool operator==(const Color&) const = default;
};

/// Between two colours: share 0 gives `from`, 1 gives `to`; outside it is clamped.
Color Mix(Color from, Color to, double share);

/// In points: pixels at scale 1.
struct Point {
  double x = 0, y = 0;
};
struct Box {
  double x = 0, y = 0, w = 0, h = 0;
  bool Contains(Point p) const { return p.x >= x && p.x < x + w && p.y >= y && p.y < y + h; }
  double right() const { return x + w; }
  double bottom() const { return y + h; }
  Box Inset(double d) const { return {x + d, y + d, w - 2 * d, h - 2 * d}; }
};

struct TextStyle {
  int size = 13;  ///< points
  bool bold = false;
  Color color = {220, 223, 228};
};

/// What everything is drawn on: pixels in memory. A window shows these pixels and a recording writes them, so both are
/// the same. Needs no display.
///
/// Coordinates are points; edges are rounded to whole pixels, so that cells that touch in points touch in pixels and
/// nothing is blurred. Colours with a < 255 are blended. Text is in one bundled monospaced font, hinting off; a
/// character that it lacks is drawn as a box.
/// Errors: std::invalid_argument for a size or a scale out of range; std::runtime_error with SDL's reason.
/// Threads: belongs to one thread.
class Canvas {
 public:
  /// width, height in pixels, 1 .. 16384; scale: pixels per point, 0.5 .. 8.
  Canvas(int width, int height, double scale = 1);
  ~Canvas();

  /// Starts afresh: all black, no clip.
  void Resize(int width, int height, double scale);
  int width() const;   ///< in pixels
  int height() const;  ///< in pixels
  double scale() const;
  Box bounds() const;  ///< the whole of it, in points

  /// All of it, whatever the clip; a is taken as 255.
  void Clear(Color color);
  void Fill(const Box& box, Color color);
  /// The border of a box, inside it.
  void Outline(const Box& box, Color color, double thickness = 1);
  /// One point thick, at least one pixel, both ends included; a horizontal or vertical one fills the pixels right of
  /// or below its coordinates, as a box of that thickness does.
  void Line(Point from, Point to, Color color);
  void Polyline(std::span<const Point> points, Color color);
  /// Diagonal lines every `gap` points over a box; they go on in the box beside it.
  void Hatch(const Box& box, Color color, double gap = 4);
  void Disc(Point centre, double radius, Color color);

  /// One line of UTF-8 with its upper left corner at a point; returns its width. Advance and LineHeight are of a
  /// style's characters.
  double Text(Point at, std::string_view text, const TextStyle& style = {});
  double Advance(const TextStyle& style = {}) const;
  double LineHeight(const TextStyle& style = {}) const;
  double Width(std::string_view text, const TextStyle& style = {}) const;

  /// Drawing outside is left out until the next call; none: everything is drawn again.
  void Clip(const std::optional<Box>& box);

  /// width() * height() pixels 0xAARRGGBB, row by row from the top, A = 255, with everything drawn so far.
  std::span<const uint32_t> Pixels();

 private:
  struct Surface;
  std::unique_ptr<Surface> surface_;
};

}  // namespace lethe::tools
