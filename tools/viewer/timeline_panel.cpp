#include <fmt/format.h>

#include <algorithm>

#include "tools/viewer/colors.h"
#include "tools/viewer/panels.h"

namespace lethe::tools {
namespace {

constexpr double kButton = 24, kBarHeight = 12;

/// Buttons from the left; each is a zone.
class Buttons {
 public:
  Buttons(Point at, double right, Canvas& canvas, Zones& zones)
      : at_(at), right_(right), canvas_(canvas), zones_(zones) {}

  void Add(const std::string& label, Control control, bool is_on = false) {
    const TextStyle style = {.size = 12, .bold = is_on, .color = is_on ? kBackground : kText};
    const double width = std::max(kButton, canvas_.Width(label, style) + 12);
    if (at_.x + width > right_) return;  // a narrow window has the keys
    const Box box = {at_.x, at_.y, width, kButton - 2};
    canvas_.Fill(box, is_on ? kAccent : kPanel);
    canvas_.Outline(box, kEdge);
    canvas_.Text({box.x + (width - canvas_.Width(label, style)) / 2, box.y + (box.h - canvas_.LineHeight(style)) / 2},
                 label, style);
    zones_.AddControl(box, control);
    at_.x += width + 4;
  }
  void Space() { at_.x += 10; }
  void Say(const std::string& text, const TextStyle& style) {
    if (at_.x >= right_) return;
    DrawFitting({at_.x, at_.y + 3}, text, right_ - at_.x, style, canvas_);
    at_.x += canvas_.Width(text, style) + 8;
  }

 private:
  Point at_;
  const double right_;
  Canvas& canvas_;
  Zones& zones_;
};

template <class ColorOf>
void DrawTicks(const std::vector<int64_t>& steps, int64_t last, const Box& bar, double top, double height,
               ColorOf&& color_of, Canvas& canvas) {
  double drawn = -1;
  for (const int64_t step : steps) {
    const double x = bar.x + (bar.w - 1) * static_cast<double>(step) / static_cast<double>(std::max<int64_t>(1, last));
    if (x - drawn < 1) continue;  // ten thousand steps are not ten thousand lines
    canvas.Fill({x, bar.y + top, 2, height}, color_of(step));
    drawn = x;
  }
}

}  // namespace

void DrawTimeline(const Frame& frame, const Box& box, Canvas& canvas, Zones& zones) {
  const Box bar = {box.x, box.y + 2, box.w, kBarHeight};
  canvas.Fill(bar, kPanel);
  const double share = static_cast<double>(frame.step) / static_cast<double>(std::max<int64_t>(1, frame.newest));
  canvas.Fill({bar.x, bar.y, bar.w * share, bar.h}, Mix(kPanel, kAccent, 0.35));
  for (const AgentView& agent : frame.agents) {
    if (!agent.course) continue;
    const auto& reward = agent.course->reward;
    const auto cue = [](int64_t) { return kCue; };
    const auto good_or_bad = [&](int64_t step) { return reward[static_cast<size_t>(step - 1)] > 0 ? kGood : kBad; };
    DrawTicks(agent.course->cues, frame.newest, bar, 0, bar.h / 2, cue, canvas);
    DrawTicks(agent.course->rewards, frame.newest, bar, bar.h / 2, bar.h / 2, good_or_bad, canvas);
  }
  canvas.Fill({bar.x + (bar.w - 3) * share, bar.y - 2, 3, bar.h + 4}, kMark);
  zones.AddTimeline({bar.x, bar.y - 2, bar.w, bar.h + 4}, frame.newest);

  const std::string help = "F1 help";
  const double help_width = canvas.Width(help, {.size = 12}) + 16;
  const Point row = {box.x, bar.bottom() + 6};
  Buttons(Point{box.right() - help_width, row.y}, box.right(), canvas, zones).Add(help, Control::kHelp);
  Buttons buttons(row, box.right() - help_width, canvas, zones);
  buttons.Add("|<", Control::kFirst);
  buttons.Add("<", Control::kStepBack);
  if (!frame.is_person) buttons.Add(frame.is_playing ? "pause" : "play", Control::kPlay, frame.is_playing);
  buttons.Add(">", Control::kStepForward);
  buttons.Add(">|", Control::kLast);
  buttons.Say(fmt::format("step {} of {}", frame.step, frame.newest), {.size = 12, .color = kText});
  if (!frame.is_person) {
    buttons.Space();
    buttons.Add("slower", Control::kSlower);
    buttons.Say(frame.pace, {.size = 12, .color = kText});
    buttons.Add("faster", Control::kFaster);
  }
  buttons.Space();
  buttons.Add(frame.choice, Control::kChooser);
  buttons.Add("previous", Control::kPreviousEpisode);
  buttons.Add("next", Control::kNextEpisode);
  buttons.Add("seed", Control::kGivenSeed);
}

}  // namespace lethe::tools
