#pragma once

#include <cstdint>
#include <vector>

namespace lethe::agents {

/// The student with the smallest memory among those that agreed with their teacher over a whole window of the hardest
/// level. Prices push spans down until something needed is forgotten; what is kept here had not forgotten it yet.
struct BestStudent {
  std::vector<float> parameters;  ///< as the window ended; empty: none has agreed yet
  double living = 0;              ///< living memories per layer, mean over the window
  double window_living = 0;       ///< of the open window, summed over its updates
  int64_t window_updates = 0;
  bool failed = false;  ///< in the latest whole window

  bool exists() const { return !parameters.empty(); }

  /// Counts an update of the open window.
  void Add(double living_memories) { window_living += living_memories, ++window_updates; }

  /// Ends the window. A student that agreed is kept if it needed fewer memories than the one before.
  void EndWindow(bool agreed, bool has_failed, const std::vector<float>& student) {
    const double mean = window_living / static_cast<double>(window_updates);
    window_living = 0, window_updates = 0;
    failed = has_failed;
    if (!agreed || (exists() && mean >= living)) return;
    parameters = student;
    living = mean;
  }
};

}  // namespace lethe::agents
