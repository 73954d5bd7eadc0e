#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "tools/progress_table.h"
#include "tools/viewer/colors.h"
#include "tools/viewer/panels.h"

namespace lethe::tools {
namespace {

using State = MemoryCell::State;

constexpr double kHeader = 22, kLabel = 15, kHistory = 50, kGap = 10;
constexpr std::array kCellSizes = {40.0, 34.0, 28.0, 25.0, 22.0, 18.0, 15.0, 12.0, 10.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0};

/// Where the cells of a strip lie: rows of equal cells, from the left, from the top.
struct CellGrid {
  double size;
  int64_t columns, rows;

  /// The largest cells of which `count` fit, or the smallest ones.
  CellGrid(int64_t count, double zoom, const Box& box) {
    for (const double candidate : kCellSizes) {
      size = candidate * zoom;
      columns = std::max<int64_t>(1, static_cast<int64_t>(box.w / size));
      rows = std::max<int64_t>(1, static_cast<int64_t>(box.h / size));
      if (columns * rows >= count) return;
    }
  }
  int64_t room() const { return columns * rows; }
  Box At(int64_t i, const Box& box) const {
    const double gap = size >= 6 ? 1 : 0;
    return {box.x + static_cast<double>(i % columns) * size, box.y + static_cast<double>(i / columns) * size,
            size - gap, size - gap};
  }
};

void DrawCell(const MemoryCell& cell, const Box& at, Canvas& canvas) {
  if (cell.state == State::kExpired) {
    canvas.Fill(at, Mix(kDead, kEmber, cell.ghost));
    if (at.w >= 5) canvas.Outline(at, Mix(kDead, kEdge, 0.6));
  } else {
    canvas.Fill(at, MemoryColor(cell.warmth, cell.brightness));
    if (cell.state == State::kOnRamp) canvas.Hatch(at, kBackground, std::max(3.0, at.w / 3));
  }
  if (!cell.is_cue) return;
  const double dot = std::max(2.0, std::floor(at.w / 4));
  canvas.Fill({at.x + at.w - dot, at.y, dot, dot}, kCue);
}

void DrawHeader(const LayerView& layer, size_t number, const Box& box, Canvas& canvas) {
  double x = box.x;
  const auto say = [&](const std::string& text, const TextStyle& style) {
    if (x < box.right()) DrawFitting({x, box.y + 2}, text, box.right() - x, style, canvas);
    x += canvas.Width(text, style) + 14;
  };
  say(fmt::format("layer {}", number + 1), {.size = 13, .bold = true, .color = kText});
  say(fmt::format("{} living", layer.living), {.size = 13, .bold = true, .color = kAccent});
  say(FormatBytes(static_cast<double>(layer.bytes)), {.size = 13, .color = kText});
  if (layer.new_span) say(fmt::format("this step: span {:.1f}", *layer.new_span), {.size = 13, .color = kFaint});
  if (layer.left_out > 0) say(fmt::format("{} long dead not shown", layer.left_out), {.size = 13, .color = kFaint});
}

/// The present step, not yet a memory, in the colour of the span it is given.
void DrawNewStep(const LayerView& layer, const Box& at, Canvas& canvas) {
  canvas.Outline(at, layer.new_span ? kText : kFaint, at.w >= 6 ? 1.5 : 1);
}

void DrawStrip(const LayerView& layer, const MemoryPlace& first, const Frame& frame, const Box& box, Canvas& canvas,
               Zones& zones) {
  const auto count = static_cast<int64_t>(layer.cells.size());
  const CellGrid grid(count + 1, frame.zoom, box);
  const bool by_time = frame.order == MemoryOrder::kTime;
  // By time the latest cells are kept where not all fit, in other orders the first.
  const int64_t begin = by_time ? std::max<int64_t>(0, count + 1 - grid.room()) : 0;
  const int64_t end = std::min(count, begin + grid.room() - (by_time ? 1 : 0));
  for (int64_t i = begin; i < end; ++i) {
    const MemoryCell& cell = layer.cells[static_cast<size_t>(i)];
    const Box at = grid.At(i - begin, box);
    DrawCell(cell, at, canvas);
    MemoryPlace place = first;
    place.step = cell.step;
    zones.AddMemory({at.x, at.y, grid.size, grid.size}, place);
    const auto is = [&](const std::optional<MemoryDetail>& detail) { return detail && detail->place == place; };
    if (is(frame.selected)) canvas.Outline(at, kMark, 2);
    if (is(frame.hovered)) canvas.Outline(at, kText, 1);
  }
  if (end - begin < grid.room()) DrawNewStep(layer, grid.At(end - begin, box), canvas);
}

/// Living memories and the spans that steps were given, each against its own highest.
void DrawHistory(const AgentView& agent, size_t l, const Box& box, Canvas& canvas) {
  if (!agent.course || l >= agent.course->living.size()) return;
  const Course& course = *agent.course;
  const auto& living = course.living[l];
  const float most = *std::ranges::max_element(living);
  const double bytes = agent.layers[l].living > 0 ? static_cast<double>(agent.layers[l].bytes) /
                                                        static_cast<double>(agent.layers[l].living) * most
                                                  : 0;
  double x = box.x;
  x += canvas.Text({x, box.y}, fmt::format("living, most {:.0f}, {}", most, FormatBytes(bytes)),
                   {.size = 11, .color = kAccent});
  const Box plot = {box.x, box.y + kLabel, box.w, box.h - kLabel};
  const Curve curve = {living, kAccent};
  DrawCurves({&curve, 1}, agent.newest, agent.step, 0, std::max(1.0f, most), plot, canvas);
  if (l >= course.spans.size()) return;
  const float longest = *std::ranges::max_element(course.spans[l]);
  DrawFitting({x + 14, box.y}, fmt::format("span of each step, longest {:.1f}", longest), box.right() - x - 14,
              {.size = 11, .color = kWarning}, canvas);
  AddCurve({course.spans[l], kWarning}, agent.newest, 0, std::max(1e-3f, longest), plot, canvas);
}

constexpr double kLine = 17, kSeenCell = 22;

std::vector<std::string> LinesOf(const MemoryDetail& detail) {
  std::vector<std::string> lines = {fmt::format("step {}, layer {}", detail.place.step, detail.place.layer + 1)};
  const char* state = detail.state == State::kLiving   ? "lives"
                      : detail.state == State::kOnRamp ? "fades, on the ramp"
                                                       : "forgotten";
  lines.push_back(state);
  if (detail.span) lines.push_back(fmt::format("span {:.1f}, {:.1f} left", *detail.span, detail.remaining));
  if (!detail.attention.empty()) {
    std::string heads = "attention";
    for (const float weight : detail.attention) heads += fmt::format(" {:.3f}", weight);
    lines.push_back(heads);
  }
  for (const std::string& caption : detail.captions) lines.push_back(caption);
  if (!detail.action.empty()) lines.push_back(fmt::format("then: {}", detail.action));
  if (detail.reward != 0) lines.back() += fmt::format(", reward {:.3g}", detail.reward);
  return lines;
}

}  // namespace

double DetailHeight(const MemoryDetail& detail) {
  return std::max(kLine * static_cast<double>(LinesOf(detail).size()), kSeenCell * detail.seen.rows) + 12;
}

void DrawDetail(const MemoryDetail& detail, const Box& box, Canvas& canvas) {
  const double height = DetailHeight(detail);
  const Box sheet = {box.x, box.y, box.w, height};
  canvas.Fill(sheet, kPanel);
  canvas.Outline(sheet, kMark);
  double x = box.x + 6;
  if (!detail.seen.empty()) {
    DrawCells(detail.seen, 0, 0, kSeenCell, {x, box.y + 6}, canvas);
    x += kSeenCell * detail.seen.columns + 10;
  }
  double y = box.y + 6;
  for (const std::string& line : LinesOf(detail)) {
    DrawFitting({x, y}, line, box.right() - x - 4, {.size = 12, .bold = y == box.y + 6, .color = kText}, canvas);
    y += kLine;
  }
}

void DrawMemories(const AgentView& agent, int agent_number, const Frame& frame, const Box& box, Canvas& canvas,
                  Zones& zones) {
  if (agent.layers.empty()) {
    DrawFitting({box.x, box.y + 2}, agent.layers_note, box.w, {.size = 13, .color = kFaint}, canvas);
    return;
  }
  const double each = std::floor(box.h / static_cast<double>(agent.layers.size()));
  for (size_t l = 0; l < agent.layers.size(); ++l) {
    const Box part = {box.x, box.y + each * static_cast<double>(l), box.w, each - kGap};
    DrawHeader(agent.layers[l], l, {part.x, part.y, part.w, kHeader}, canvas);
    const bool has_history = part.h > 120;
    const double history = has_history ? kHistory + 4 : 0;
    const Box strip = {part.x, part.y + kHeader, part.w, part.h - kHeader - history};
    DrawStrip(agent.layers[l], {agent_number, static_cast<int>(l), 0}, frame, strip, canvas, zones);
    if (has_history) DrawHistory(agent, l, {part.x, part.bottom() - kHistory, part.w, kHistory}, canvas);
  }
}

}  // namespace lethe::tools
