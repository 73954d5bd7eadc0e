#pragma once

#include <algorithm>

#include <optional>
#include <vector>

#include "tools/viewer/canvas.h"
#include "tools/viewer/control.h"
#include "tools/viewer/frame.h"

namespace lethe::tools {

/// Places of a drawn picture that the mouse can point at, and what each stands for.
class Zones {
 public:
  struct Zone {
    Box box;
    std::optional<MemoryPlace> memory;
    std::optional<Control> control;
    int64_t last_step = -1;  ///< of a timeline from step 0 at its left end; -1: none

    /// The step at a place of a timeline; places beyond its ends are its ends.
    int64_t StepAt(Point p) const {
      const double share = std::clamp((p.x - box.x) / std::max(1.0, box.w - 1), 0.0, 1.0);
      return static_cast<int64_t>(share * static_cast<double>(last_step) + 0.5);
    }
  };

  void Clear() { zones_.clear(); }
  void AddMemory(const Box& box, const MemoryPlace& memory) { zones_.push_back({box, memory, {}, -1}); }
  void AddControl(const Box& box, Control control) { zones_.push_back({box, {}, control, -1}); }
  void AddTimeline(const Box& box, int64_t last_step) { zones_.push_back({box, {}, {}, last_step}); }
  /// A sheet that hides what lies below.
  void Cover(const Box& box) { zones_.push_back({box, {}, {}, -1}); }

  /// The uppermost zone at a point; null: none.
  const Zone* At(Point p) const {
    for (auto zone = zones_.rbegin(); zone != zones_.rend(); ++zone)
      if (zone->box.Contains(p)) return &*zone;
    return nullptr;
  }
  const std::vector<Zone>& all() const { return zones_; }

 private:
  std::vector<Zone> zones_;
};

}  // namespace lethe::tools
