#include "tools/viewer/draw.h"

#include <algorithm>
#include <cmath>

#include "tools/viewer/colors.h"
#include "tools/viewer/panels.h"

namespace lethe::tools {
namespace {

constexpr double kMargin = 10, kTop = 24, kTitle = 38, kBottom = 50;
constexpr double kPolicyHeight = 250, kLegendWidth = 300;

/// Environment, level and how memories are shown, over everything.
void DrawTop(const Frame& frame, const Box& box, Canvas& canvas, Zones& zones) {
  canvas.Fill(box, kPanel);
  const TextStyle bold = {.size = 13, .bold = true, .color = kText}, plain = {.size = 13, .color = kFaint};
  double x = box.x + kMargin;
  x += canvas.Text({x, box.y + 4}, frame.environment, bold) + 16;
  x += canvas.Text({x, box.y + 4}, frame.place, plain) + 16;
  const auto remembers = [](const AgentView& agent) { return !agent.layers.empty(); };
  if (std::ranges::none_of(frame.agents, remembers)) return;
  double right = box.right() - kMargin;
  for (auto part = frame.memories.rbegin(); part != frame.memories.rend(); ++part) {
    right -= canvas.Width(part->text, plain);
    if (right <= x) return;
    canvas.Text({right, box.y + 4}, part->text, plain);
    zones.AddControl({right, box.y, canvas.Width(part->text, plain), box.h}, part->control);
    right -= 16;
  }
}

/// The latest message, over whatever lies above the timeline.
void DrawNote(const std::string& note, const Box& bounds, Canvas& canvas) {
  const TextStyle style = {.size = 13, .bold = true, .color = kMark};
  const double width = std::min(bounds.w - 2 * kMargin, canvas.Width(note, style) + 20), height = 24;
  const Box box = {bounds.x + kMargin, bounds.bottom() - kBottom - height - 4, width, height};
  canvas.Fill(box, kPanel);
  canvas.Outline(box, kMark);
  DrawFitting({box.x + 10, box.y + 4}, note, width - 14, style, canvas);
}

void DrawTooltip(const Frame& frame, const Box& bounds, Canvas& canvas) {
  if (!frame.hovered || (frame.selected && frame.selected->place == frame.hovered->place)) return;
  const double height = DetailHeight(*frame.hovered), width = 330;
  Box box = {frame.pointer.x + 16, frame.pointer.y + 16, width, height};
  if (box.right() > bounds.right()) box.x = std::max(bounds.x, frame.pointer.x - 16 - width);
  if (box.bottom() > bounds.bottom()) box.y = std::max(bounds.y, frame.pointer.y - 16 - height);
  DrawDetail(*frame.hovered, box, canvas);
}

/// One player with everything of its own: board beside its memories where there is room, else above them.
class AgentColumn {
 public:
  AgentColumn(const Frame& frame, int number, Canvas& canvas, Zones& zones)
      : frame_(frame),
        agent_(frame.agents[static_cast<size_t>(number)]),
        number_(number),
        canvas_(canvas),
        zones_(zones) {}

  void Draw(const Box& box) {
    DrawTitle(agent_, {box.x, box.y, box.w, kTitle}, canvas_);
    const Box rest = {box.x, box.y + kTitle, box.w, box.h - kTitle};
    if (box.w >= 1.1 * box.h)
      DrawBeside(rest);
    else
      DrawAbove(rest);
  }

 private:
  /// Where nobody remembers there is no need of room for it.
  bool HasMemory() const { return !agent_.layers.empty(); }
  bool HasTraining() const { return !agent_.training.env_steps.empty(); }
  bool HasSelected() const { return frame_.selected && frame_.selected->place.agent == number_; }

  void DrawBeside(const Box& box) {
    const double left = std::floor(HasMemory() ? std::min(420.0, box.w * 0.36) : box.w * 0.62);
    const Box board = {box.x, box.y, left, box.h};
    DrawBoardAndSelected(board);
    const double x = box.x + left + 2 * kMargin;
    const double policy = std::min(kPolicyHeight, box.h * 0.38);
    const Box right = {x, box.y, box.right() - x, box.h - policy - kMargin};
    DrawMemories(agent_, number_, frame_, right, canvas_, zones_);
    DrawPolicyAndTraining({x, right.bottom() + kMargin, right.w, policy});
  }

  void DrawAbove(const Box& box) {
    const double board = std::floor(box.h * 0.36), policy = std::min(kPolicyHeight, box.h * 0.26);
    DrawBoardAndSelected({box.x, box.y, box.w, board});
    const Box middle = {box.x, box.y + board + kMargin, box.w, box.h - board - policy - 2 * kMargin};
    DrawMemories(agent_, number_, frame_, middle, canvas_, zones_);
    DrawPolicyAndTraining({box.x, middle.bottom() + kMargin, box.w, policy});
  }

  /// Below the board, what a marked memory holds; while none is marked, what the colours mean where there is room.
  void DrawBoardAndSelected(const Box& box) {
    const bool has_room = box.h > 3 * LegendHeight() && box.w >= kLegendWidth && box.w < box.h;
    const double below = HasSelected() ? DetailHeight(*frame_.selected) : HasMemory() && has_room ? LegendHeight() : 0;
    const double taken = below > 0 ? std::min(below + kMargin, box.h / 2) : 0;
    DrawBoard(agent_, frame_.zoom, {box.x, box.y, box.w, box.h - taken}, canvas_);
    if (below <= 0) return;
    const Box detail = {box.x, box.bottom() - taken + kMargin, box.w, taken - kMargin};
    canvas_.Clip(detail);
    HasSelected() ? DrawDetail(*frame_.selected, detail, canvas_) : DrawLegend(detail, canvas_);
    canvas_.Clip(std::nullopt);
  }

  void DrawPolicyAndTraining(const Box& box) {
    const double share = HasTraining() && box.w > 500 ? std::floor(box.w * 0.58) : box.w;
    DrawPolicy(agent_, {box.x, box.y, share, box.h}, canvas_, zones_);
    if (share < box.w)
      DrawTraining(agent_.training, {box.x + share + 2 * kMargin, box.y, box.w - share - 2 * kMargin, box.h}, canvas_);
  }

  const Frame& frame_;
  const AgentView& agent_;
  const int number_;
  Canvas& canvas_;
  Zones& zones_;
};

}  // namespace

void DrawTitle(const AgentView& agent, const Box& box, Canvas& canvas) {
  const TextStyle bold = {.size = 14, .bold = true, .color = kText};
  DrawFitting({box.x, box.y}, agent.name, box.w, bold, canvas);
  const double name = canvas.Width(agent.name, bold) + 14;
  if (name < box.w)
    DrawFitting({box.x + name, box.y + 1}, agent.status, box.w - name, {.size = 12, .color = kFaint}, canvas);
  if (!agent.problem.empty())
    DrawFitting({box.x, box.y + 19}, agent.problem, box.w, {.size = 12, .bold = true, .color = kWarning}, canvas);
}

void Draw(const Frame& frame, Canvas& canvas, Zones& zones) {
  zones.Clear();
  const Box all = canvas.bounds();
  canvas.Clear(kBackground);
  DrawTop(frame, {all.x, all.y, all.w, kTop}, canvas, zones);
  const double each = (all.w - kMargin) / static_cast<double>(frame.agents.size());
  const double top = kTop + kMargin, height = all.h - top - kBottom;
  for (size_t i = 0; i < frame.agents.size(); ++i) {
    const double x = std::floor(kMargin + each * static_cast<double>(i));
    AgentColumn(frame, static_cast<int>(i), canvas, zones).Draw({x, top, each - kMargin, height});
  }
  DrawTimeline(frame, {kMargin, all.h - kBottom + 2, all.w - 2 * kMargin, kBottom - 4}, canvas, zones);
  if (!frame.note.empty()) DrawNote(frame.note, all, canvas);
  DrawTooltip(frame, all, canvas);
  if (frame.shows_help) DrawHelp(frame.is_person, all, canvas, zones);
}

}  // namespace lethe::tools
