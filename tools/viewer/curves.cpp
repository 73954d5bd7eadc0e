#include <algorithm>
#include <cmath>

#include "tools/viewer/colors.h"
#include "tools/viewer/panels.h"

namespace lethe::tools {
namespace {

/// Of more values than points there are, the lowest and highest of each point's share, so that no peak is lost.
std::vector<Point> PointsOf(const Curve& curve, int64_t last, double lowest, double highest, const Box& box) {
  std::vector<Point> points;
  const double width = std::max(1.0, box.w - 1), height = std::max(1.0, box.h - 1);
  const auto at = [&](int64_t i, float value) {
    const double share = highest > lowest ? (value - lowest) / (highest - lowest) : 0.5;
    return Point{box.x + width * static_cast<double>(i) / static_cast<double>(std::max<int64_t>(1, last)),
                 box.y + height * (1 - std::clamp(share, 0.0, 1.0))};
  };
  const auto count = static_cast<int64_t>(curve.values.size());
  const int64_t bundle = std::max<int64_t>(1, count / static_cast<int64_t>(width));
  for (int64_t begin = 0; begin < count; begin += bundle) {
    const auto part =
        curve.values.subspan(static_cast<size_t>(begin), static_cast<size_t>(std::min(bundle, count - begin)));
    const auto [low, high] = std::ranges::minmax(part);
    points.push_back(at(begin, low));
    if (high != low) points.push_back(at(begin, high));
  }
  return points;
}

}  // namespace

void DrawCurves(std::span<const Curve> curves, int64_t last, int64_t mark, double lowest, double highest,
                const Box& box, Canvas& canvas) {
  canvas.Fill(box, kPanel);
  const Box inside = box.Inset(2);
  if (lowest < 0 && highest > 0) {
    const double zero = inside.y + (inside.h - 1) * highest / (highest - lowest);
    canvas.Line({inside.x, zero}, {inside.right() - 1, zero}, kEdge);
  }
  for (const Curve& curve : curves) AddCurve(curve, last, lowest, highest, box, canvas);
  if (mark < 0) return;
  const double x =
      inside.x + (inside.w - 1) * static_cast<double>(mark) / static_cast<double>(std::max<int64_t>(1, last));
  canvas.Line({x, box.y}, {x, box.bottom() - 1}, kMark);
}

void AddCurve(const Curve& curve, int64_t last, double lowest, double highest, const Box& box, Canvas& canvas) {
  canvas.Polyline(PointsOf(curve, last, lowest, highest, box.Inset(2)), curve.color);
}

double DrawWrapped(Point at, std::string_view text, double width, const TextStyle& style, Canvas& canvas) {
  const auto room = static_cast<size_t>(std::max(1.0, width / canvas.Advance(style)));
  const double line = canvas.LineHeight(style) + 2;
  double height = 0;
  for (; !text.empty(); height += line) {
    size_t end = text.size();
    if (end > room) {
      const size_t space = text.rfind(' ', room);
      end = space == std::string_view::npos || space == 0 ? room : space;
    }
    canvas.Text({at.x, at.y + height}, text.substr(0, end), style);
    text.remove_prefix(std::min(text.size(), text.find_first_not_of(' ', end)));
  }
  return height;
}

void DrawFitting(Point at, std::string text, double width, const TextStyle& style, Canvas& canvas) {
  const double advance = canvas.Advance(style);
  const auto room = static_cast<size_t>(std::max(0.0, width / advance + 1e-6));
  const auto is_begin = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; };  // of a character
  if (static_cast<size_t>(std::ranges::count_if(text, is_begin)) > room) {
    if (room == 0) return;
    size_t end = 0;
    for (size_t characters = 0; end < text.size(); ++end)
      if (is_begin(text[end]) && ++characters == room) break;
    text = text.substr(0, end) + "…";
  }
  canvas.Text(at, text, style);
}

}  // namespace lethe::tools
