#pragma once

#include "tools/viewer/session.h"
#include "tools/viewer/zones.h"

namespace lethe::tools {

/// What the mouse does, by what was drawn under it. Knows no window: coordinates are points of the canvas.
class Pointer {
 public:
  Point place() const { return place_; }

  void Move(Point to, const Zones& zones, Session& session) {
    place_ = to;
    if (drag_) {
      session.ShowStep(drag_->StepAt(to));
      return;
    }
    const Zones::Zone* zone = zones.At(to);
    session.Hover(zone ? zone->memory : std::nullopt);
  }

  /// Looks again at what lies under it: something else may be drawn there now.
  void Stay(const Zones& zones, Session& session) {
    if (place_.x >= 0) Move(place_, zones, session);
  }
  /// It has left the window.
  void Leave(Session& session) {
    place_ = {-1, -1};
    session.Hover(std::nullopt);
  }

  /// The control that was clicked, if it was one.
  std::optional<Control> Press(Point at, const Zones& zones, Session& session) {
    place_ = at;
    const Zones::Zone* zone = zones.At(at);
    if (!zone) return std::nullopt;
    if (zone->last_step >= 0) {
      drag_ = *zone;
      session.ShowStep(zone->StepAt(at));
    }
    if (zone->memory) session.Select(session.selected() == zone->memory ? std::nullopt : zone->memory);
    return zone->control;
  }

  void Release() { drag_.reset(); }

 private:
  Point place_ = {-1, -1};
  std::optional<Zones::Zone> drag_;  // the timeline that is held
};

}  // namespace lethe::tools
