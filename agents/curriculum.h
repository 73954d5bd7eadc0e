#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>

#include <fmt/format.h>

namespace lethe::agents {

struct CurriculumOptions {
  double start = 0;        ///< first value of the curriculum parameter; 0: no curriculum
  double end = 0;          ///< last value; 0: what the environment is set to
  double factor = 1.5;     ///< growth at every success
  double threshold = 0.9;  ///< mean score that counts as success
  double retreat = 0;      ///< below this mean score the parameter shrinks again, never below start; 0: never
  int64_t episodes = 256;  ///< episodes the mean is taken over, all begun at the present value
};

/// spec: of the environment or sequence task `id`, whose options stand in `section`; name: of the curriculum's own
/// section. Errors: std::invalid_argument if there is no curriculum parameter or if it cannot start or end there.
template <class Spec>
void CheckCurriculum(const CurriculumOptions& options, const Spec& spec, const std::string& id,
                     const std::string& section, const std::string& name = "curriculum") {
  const double start = options.start, end = options.end, lowest = spec.curriculum_min, highest = spec.curriculum_max;
  if (start == 0) return;
  if (spec.curriculum_parameter.empty())
    throw std::invalid_argument(fmt::format("{}.start: {} has no curriculum parameter, allowed: 0", name, id));
  if (start < lowest || start > highest)
    throw std::invalid_argument(fmt::format("{}.start: got {}, allowed 0 or {}..{} ({}.{})", name, start, lowest,
                                            highest, section, spec.curriculum_parameter));
  if (end != 0 && (end < start || end > highest))
    throw std::invalid_argument(fmt::format("{0}.end: got {1}, allowed 0 or {2}..{3} ({0}.start to {4}.{5})", name, end,
                                            start, highest, section, spec.curriculum_parameter));
}

/// Drives the curriculum parameter of an environment or a sequence task by success: when the mean score of enough
/// episodes passes the threshold, the parameter grows by the factor; an agent that has lost the task goes back to
/// levels where the reward still tells it something. Depends on episodes alone, never on time. Of a sequence task, an
/// episode is a sequence of labels, and its score 1 if all are right, else 0.
class Curriculum {
 public:
  /// What a checkpoint keeps.
  struct Progress {
    double value = 0;      ///< of the curriculum parameter
    double highest = 0;    ///< value so far
    double sum = 0;        ///< of the scores of the window so far
    double last_mean = 0;  ///< of the last full window at this value; 0 before the first
    int64_t count = 0;     ///< episodes of the window so far
  };

  /// hardest: the configured value of the parameter. Without a curriculum the value is that from the start.
  Curriculum(const CurriculumOptions& options, double hardest)
      : options_(options), hardest_(options.start > 0 && options.end > 0 ? std::min(options.end, hardest) : hardest) {
    progress_.value = progress_.highest = options.start > 0 ? std::min(options.start, hardest_) : hardest_;
  }

  /// What an episode did to the window it counts in.
  enum class Window { kOpen, kPassed, kFailed };

  /// Counts an episode; those begun at another value are left out.
  Window Add(double score, double begun_at) {
    const bool is_present = begun_at == progress_.value || (std::isnan(begun_at) && std::isnan(progress_.value));
    if (!is_present) return Window::kOpen;  // NaN: there is no parameter
    progress_.sum += score;
    if (++progress_.count < options_.episodes) return Window::kOpen;
    progress_.last_mean = progress_.sum / static_cast<double>(progress_.count);
    progress_.sum = 0;
    progress_.count = 0;
    const bool failed = progress_.last_mean < options_.threshold;
    if (options_.start > 0) Move(failed);
    return failed ? Window::kFailed : Window::kPassed;
  }

  /// Goes to the hardest value at once.
  void JumpToEnd() {
    progress_.value = progress_.highest = hardest_;
    progress_.sum = progress_.last_mean = 0, progress_.count = 0;
  }

  double value() const { return progress_.value; }
  double highest() const { return progress_.highest; }
  /// At its end; also without a curriculum.
  bool at_hardest() const { return !(progress_.value < hardest_); }  // true for NaN: without a parameter
  double last_mean() const { return progress_.last_mean; }

  const Progress& progress() const { return progress_; }
  void Restore(const Progress& progress) { progress_ = progress; }

 private:
  void Move(bool failed) {
    const double before = progress_.value;
    if (!failed) {
      progress_.value = std::min(hardest_, std::max(before + 1, std::floor(before * options_.factor)));
    } else if (progress_.last_mean < options_.retreat) {
      progress_.value = std::min(before, std::max(options_.start, std::floor(before / options_.factor)));
    }
    if (progress_.value != before) progress_.last_mean = 0;
    progress_.highest = std::max(progress_.highest, progress_.value);
  }

  CurriculumOptions options_;
  double hardest_;
  Progress progress_;
};

}  // namespace lethe::agents
