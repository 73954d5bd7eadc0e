#include "tools/viewer/canvas.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "tools/viewer/glyphs.h"

namespace lethe::tools {
namespace {

constexpr int kMostPixels = 16384;
constexpr double kLeastScale = 0.5, kMostScale = 8;
constexpr int kSmallestFont = 4, kLargestFont = 512;  // pixels per em

/// Edges that are equal in exact arithmetic, such as x + w here and x + i * w there, differ by a rounding error. Halves
/// are common (scale 1.5) and must not fall apart by it, so the border between up and down lies beside them.
constexpr double kHalf = 0.5 + 1.0 / (1 << 20);

/// Whole pixels, right and bottom excluded.
struct PixelBox {
  int left, top, right, bottom;
};

PixelBox Intersect(const PixelBox& a, const PixelBox& b) {
  return {std::max(a.left, b.left), std::max(a.top, b.top), std::min(a.right, b.right), std::min(a.bottom, b.bottom)};
}

/// Far outside stays outside, whatever the value.
int RoundPixel(double value) {
  constexpr double kFar = 1e6;
  if (std::isnan(value)) value = -kFar;
  return static_cast<int>(std::floor(std::fmax(-kFar, std::fmin(kFar, value)) + kHalf));
}

uint32_t Pack(Color color) {
  return 0xFF000000u | static_cast<uint32_t>(color.r) << 16 | static_cast<uint32_t>(color.g) << 8 | color.b;
}

/// alpha/255 of `from` over `to`, each channel rounded to nearest; two channels at a time.
uint32_t Blend(uint32_t to, uint32_t from, uint32_t alpha) {
  const auto two = [&](uint32_t a, uint32_t b) {
    const uint32_t sum = a * alpha + b * (255 - alpha) + 0x800080;
    return (sum + (sum >> 8 & 0xFF00FF)) >> 8 & 0xFF00FF;
  };
  return two(from & 0xFF00FF, to & 0xFF00FF) | two(from >> 8 & 0xFF00FF, to >> 8 & 0xFF00FF) << 8;
}

/// x / 255, rounded to nearest, for x <= 255 * 255.
uint32_t DivideBy255(uint32_t x) { return (x + 128 + ((x + 128) >> 8)) >> 8; }

uint8_t MixChannel(uint8_t from, uint8_t to, double share) {
  return static_cast<uint8_t>(std::lround(from + (to - from) * share));
}

void CheckSize(int width, int height, double scale) {
  const auto fits = [](int size) { return size >= 1 && size <= kMostPixels; };
  if (!fits(width) || !fits(height))
    throw std::invalid_argument(
        fmt::format("width x height = {}x{}: have to be in 1..{} pixels", width, height, kMostPixels));
  if (!(scale >= kLeastScale && scale <= kMostScale))
    throw std::invalid_argument(fmt::format("scale = {}: has to be in {}..{}", scale, kLeastScale, kMostScale));
}

}  // namespace

Color Mix(Color from, Color to, double share) {
  share = std::clamp(share, 0.0, 1.0);
  return {MixChannel(from.r, to.r, share), MixChannel(from.g, to.g, share), MixChannel(from.b, to.b, share),
          MixChannel(from.a, to.a, share)};
}

/// Written directly: SDL's software renderer takes six times as long to blend boxes, eight times for characters.
struct Canvas::Surface {
  int width = 0, height = 0;
  double scale = 1;
  PixelBox clip = {};
  std::vector<uint32_t> pixels;
  Fonts fonts;

  PixelBox All() const { return {0, 0, width, height}; }
  PixelBox ToPixels(const Box& box) const {
    return {RoundPixel(box.x * scale), RoundPixel(box.y * scale), RoundPixel(box.right() * scale),
            RoundPixel(box.bottom() * scale)};
  }
  /// At least one.
  int Thickness(double points) const { return std::max(1, RoundPixel(points * scale)); }
  uint32_t* Row(int y) { return pixels.data() + static_cast<size_t>(y) * static_cast<size_t>(width); }
  Font& FontOf(const TextStyle& style) {
    return fonts.Get(std::clamp(RoundPixel(style.size * scale), kSmallestFont, kLargestFont), style.bold);
  }

  void Fill(PixelBox box, Color color) {
    box = Intersect(box, clip);
    if (box.left >= box.right || color.a == 0) return;
    const uint32_t packed = Pack(color);
    for (int y = box.top; y < box.bottom; ++y) {
      uint32_t* const row = Row(y);
      if (color.a == 255) {
        std::fill(row + box.left, row + box.right, packed);
      } else {
        for (int x = box.left; x < box.right; ++x) row[x] = Blend(row[x], packed, color.a);
      }
    }
  }

  void Draw(const Glyph& glyph, int left, int top, Color color) {
    left += glyph.dx, top += glyph.dy;
    const PixelBox box = Intersect({left, top, left + glyph.width, top + glyph.height}, clip);
    const uint32_t packed = Pack(color);
    for (int y = box.top; y < box.bottom; ++y) {
      uint32_t* const row = Row(y);
      const uint8_t* const coverage = glyph.coverage.data() + ptrdiff_t{y - top} * glyph.width;
      for (int x = box.left; x < box.right; ++x) {
        const uint32_t covered = coverage[x - left];
        if (covered != 0) row[x] = Blend(row[x], packed, DivideBy255(covered * color.a));
      }
    }
  }

  void Line(Point from, Point to, Color color, bool without_start);
};

/// One step along the longer axis is one run of pixels across it, so that no pixel is blended twice.
void Canvas::Surface::Line(Point from, Point to, Color color, bool without_start) {
  const int thickness = Thickness(1);
  int along = RoundPixel(from.x * scale), across = RoundPixel(from.y * scale);
  int along_end = RoundPixel(to.x * scale), across_end = RoundPixel(to.y * scale);
  const bool is_steep = std::abs(across_end - across) > std::abs(along_end - along);
  if (is_steep) std::swap(along, across), std::swap(along_end, across_end);
  const double slope = along == along_end ? 0 : double(across_end - across) / (along_end - along);
  const int first = is_steep ? clip.top : clip.left, last = (is_steep ? clip.bottom : clip.right) - 1;
  const int begin = std::max(first, std::min(along, along_end)), end = std::min(last, std::max(along, along_end));
  for (int i = begin; i <= end; ++i) {
    if (without_start && i == along) continue;
    const int j = RoundPixel(across + slope * (i - along));
    if (is_steep) {
      Fill({j, i, j + thickness, i + 1}, color);
    } else {
      Fill({i, j, i + 1, j + thickness}, color);
    }
  }
}

Canvas::Canvas(int width, int height, double scale) : surface_(std::make_unique<Surface>()) {
  Resize(width, height, scale);
}
Canvas::~Canvas() = default;

void Canvas::Resize(int width, int height, double scale) {
  CheckSize(width, height, scale);
  surface_->width = width;
  surface_->height = height;
  surface_->scale = scale;
  surface_->clip = surface_->All();
  surface_->pixels.assign(static_cast<size_t>(width) * static_cast<size_t>(height), Pack({}));
}

int Canvas::width() const { return surface_->width; }
int Canvas::height() const { return surface_->height; }
double Canvas::scale() const { return surface_->scale; }
Box Canvas::bounds() const { return {0, 0, width() / scale(), height() / scale()}; }

void Canvas::Clear(Color color) { std::fill(surface_->pixels.begin(), surface_->pixels.end(), Pack(color)); }

void Canvas::Fill(const Box& box, Color color) { surface_->Fill(surface_->ToPixels(box), color); }

void Canvas::Outline(const Box& box, Color color, double thickness) {
  const PixelBox all = surface_->ToPixels(box);
  const int wide = surface_->Thickness(thickness);
  if (all.right - all.left <= 2 * wide || all.bottom - all.top <= 2 * wide) return surface_->Fill(all, color);
  surface_->Fill({all.left, all.top, all.right, all.top + wide}, color);
  surface_->Fill({all.left, all.bottom - wide, all.right, all.bottom}, color);
  surface_->Fill({all.left, all.top + wide, all.left + wide, all.bottom - wide}, color);
  surface_->Fill({all.right - wide, all.top + wide, all.right, all.bottom - wide}, color);
}

void Canvas::Line(Point from, Point to, Color color) { surface_->Line(from, to, color, /*without_start=*/false); }

void Canvas::Polyline(std::span<const Point> points, Color color) {
  for (size_t i = 1; i < points.size(); ++i) surface_->Line(points[i - 1], points[i], color, /*without_start=*/i > 1);
}

void Canvas::Hatch(const Box& box, Color color, double gap) {
  const PixelBox all = Intersect(surface_->ToPixels(box), surface_->clip);
  const int wide = surface_->Thickness(1), period = std::max(wide + 1, surface_->Thickness(gap));
  for (int y = all.top; y < all.bottom; ++y) {
    const int first = all.left - (all.left + y) % period;  // lines go through all boxes alike: x + y = n * period
    for (int x = first; x < all.right; x += period)
      surface_->Fill({std::max(x, all.left), y, std::min(x + wide, all.right), y + 1}, color);
  }
}

/// Its square is put on whole pixels first, so that discs of one size look alike and symmetric.
void Canvas::Disc(Point centre, double radius, Color color) {
  const int size = surface_->Thickness(2 * radius);
  const int left = RoundPixel(centre.x * scale() - size / 2.0), top = RoundPixel(centre.y * scale() - size / 2.0);
  for (int row = 0; row < size; ++row) {
    const double r = size / 2.0, dy = row + 0.5 - r;
    const int skip = static_cast<int>(std::ceil(r - std::sqrt(std::max(0.0, r * r - dy * dy)) - 0.5));
    surface_->Fill({left + skip, top + row, left + size - skip, top + row + 1}, color);
  }
}

/// Pixels whose centre is inside, as everywhere, so that polygons with a common edge neither overlap nor leave gaps.
double Canvas::Text(Point at, std::string_view text, const TextStyle& style) {
  Font& font = surface_->FontOf(style);
  const int top = RoundPixel(at.y * scale()), start = RoundPixel(at.x * scale());
  int left = start;
  for (; !text.empty(); left += font.advance()) surface_->Draw(font.Get(TakeCharacter(text)), left, top, style.color);
  return (left - start) / scale();
}

double Canvas::Advance(const TextStyle& style) const { return surface_->FontOf(style).advance() / scale(); }
double Canvas::LineHeight(const TextStyle& style) const { return surface_->FontOf(style).line_height() / scale(); }

double Canvas::Width(std::string_view text, const TextStyle& style) const {
  size_t characters = 0;
  for (; !text.empty(); ++characters) TakeCharacter(text);
  return static_cast<double>(characters) * Advance(style);
}

void Canvas::Clip(const std::optional<Box>& box) {
  surface_->clip = box ? Intersect(surface_->ToPixels(*box), surface_->All()) : surface_->All();
}

std::span<const uint32_t> Canvas::Pixels() { return surface_->pixels; }

}  // namespace lethe::tools
