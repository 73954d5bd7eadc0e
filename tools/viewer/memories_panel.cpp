#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

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
      size = std::min(candidate * zoom, std::max(kCellSizes.back(), std::min(box.w, box.h)));
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

void DrawHeader(const LayerView& layer, size_t number, int64_t no_room, const Box& box, Canvas& canvas) {
  double x = box.x;
  const auto say = [&](const std::string& text, const TextStyle& style) {
    if (x < box.right()) DrawFitting({x, box.y + 2}, text, box.right() - x, style, canvas);
    x += canvas.Width(text, style) + 14;
  };
  say(fmt::format("layer {}", number + 1), {.size = 13, .bold = true, .color = kText});
  say(fmt::format("{} living", layer.living), {.size = 13, .bold = true, .color = kAccent});
  say(FormatBytes(static_cast<double>(layer.living * layer.bytes_per_memory)), {.size = 13, .color = kText});
  if (layer.new_span) say(fmt::format("this step: span {:.1f}", *layer.new_span), {.size = 13, .color = kFaint});
  const int64_t not_shown = layer.left_out + no_room;
  if (not_shown > 0) say(fmt::format("{} not shown", not_shown), {.size = 13, .color = kFaint});
}

/// The present step, which is not a memory yet: bright where its span is known.
void DrawNewStep(const LayerView& layer, const Box& at, Canvas& canvas) {
  canvas.Outline(at, layer.new_span ? kText : kFaint, at.w >= 6 ? 1.5 : 1);
}

/// Places in `cells` of those that there is room for: the dead go before the living, and by time the oldest first.
std::vector<size_t> Shown(const std::vector<MemoryCell>& cells, size_t room, bool by_time) {
  std::vector<size_t> shown;
  const auto living = static_cast<size_t>(
      std::ranges::count_if(cells, [](const MemoryCell& cell) { return cell.state != State::kExpired; }));
  size_t dead = cells.size() - living, dead_room = room > living ? room - living : 0;
  size_t too_old = by_time && living > room ? living - room : 0;
  for (size_t i = 0; i < cells.size() && shown.size() < room; ++i) {
    if (cells[i].state != State::kExpired) {
      if (too_old > 0)
        --too_old;
      else
        shown.push_back(i);
    } else {
      const bool fits = by_time ? dead <= dead_room : dead_room > 0;
      if (fits) shown.push_back(i);
      if (fits && !by_time) --dead_room;
      --dead;
    }
  }
  return shown;
}

/// Returns how many cells there was no room for.
int64_t DrawStrip(const LayerView& layer, const MemoryPlace& first, const Frame& frame, const Box& box, Canvas& canvas,
                  Zones& zones) {
  const CellGrid grid(static_cast<int64_t>(layer.cells.size()) + 1, frame.zoom, box);
  const auto room = static_cast<size_t>(std::max<int64_t>(1, grid.room() - 1));
  canvas.Clip(box);
  int64_t at_place = 0;
  for (const size_t i : Shown(layer.cells, room, frame.order == MemoryOrder::kTime)) {
    const MemoryCell& cell = layer.cells[i];
    const Box at = grid.At(at_place++, box);
    DrawCell(cell, at, canvas);
    MemoryPlace place = first;
    place.step = cell.step;
    zones.AddMemory({at.x, at.y, grid.size, grid.size}, place);
    const auto is = [&](const std::optional<MemoryDetail>& detail) { return detail && detail->place == place; };
    if (is(frame.selected)) canvas.Outline(at, kMark, 2);
    if (is(frame.hovered)) canvas.Outline(at, kText, 1);
  }
  if (at_place < grid.room()) DrawNewStep(layer, grid.At(at_place, box), canvas);
  canvas.Clip(std::nullopt);
  return static_cast<int64_t>(layer.cells.size()) - at_place;
}

/// Living memories and the spans that steps were given, each against its own highest.
void DrawHistory(const AgentView& agent, size_t l, const Box& box, Canvas& canvas) {
  if (!agent.course || l >= agent.course->living.size()) return;
  const Course& course = *agent.course;
  const auto& living = course.living[l];
  const float most = *std::ranges::max_element(living);
  const double bytes = most * static_cast<double>(agent.layers[l].bytes_per_memory);
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
constexpr size_t kHeadsPerLine = 3;

std::vector<std::string> LinesOf(const MemoryDetail& detail) {
  std::vector<std::string> lines = {fmt::format("step {}, layer {}", detail.place.step, detail.place.layer + 1)};
  const char* state = detail.state == State::kLiving   ? "lives"
                      : detail.state == State::kOnRamp ? "fades, on the ramp"
                                                       : "forgotten";
  lines.push_back(state);
  if (detail.span) lines.push_back(fmt::format("span {:.1f}, {:.1f} left", *detail.span, detail.remaining));
  if (!detail.attention.empty()) {
    for (size_t head = 0; head < detail.attention.size(); head += kHeadsPerLine) {
      const auto some =
          std::span(detail.attention).subspan(head, std::min(kHeadsPerLine, detail.attention.size() - head));
      lines.push_back(fmt::format("{}{:.3f}", head == 0 ? "attention " : "          ", fmt::join(some, " ")));
    }
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
    DrawWrapped({box.x, box.y + 2}, agent.layers_note, box.w, {.size = 13, .color = kFaint}, canvas);
    return;
  }
  const double each = std::floor(box.h / static_cast<double>(agent.layers.size()));
  for (size_t l = 0; l < agent.layers.size(); ++l) {
    const Box part = {box.x, box.y + each * static_cast<double>(l), box.w, each - kGap};
    const bool has_history = part.h > 120;
    const double history = has_history ? kHistory + 4 : 0;
    const Box strip = {part.x, part.y + kHeader, part.w, part.h - kHeader - history};
    const int64_t no_room =
        DrawStrip(agent.layers[l], {agent_number, static_cast<int>(l), 0}, frame, strip, canvas, zones);
    DrawHeader(agent.layers[l], l, no_room, {part.x, part.y, part.w, kHeader}, canvas);
    if (has_history) DrawHistory(agent, l, {part.x, part.bottom() - kHistory, part.w, kHistory}, canvas);
  }
}

}  // namespace lethe::tools
