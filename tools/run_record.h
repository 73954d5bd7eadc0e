#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "configs/run_folder.h"
#include "tools/progress.h"
#include "tools/training_log.h"

namespace lethe::tools {

/// How much a training did in this session, for its last words.
struct RunSpeed {
  int64_t steps = 0;  ///< of environments, or tokens
  double seconds = 0;
  double operations = 0;  ///< floating-point operations, counted
};

/// What a training writes down while it goes on, whatever is trained: config.yaml, metrics and TensorBoard, the screen;
/// and how fast it was. One object for each session of a run.
class RunRecord {
 public:
  /// Where the session begins: nothing trained yet, or where the checkpoint was written.
  struct Start {
    int64_t steps = 0;
    double seconds = 0;
  };

  /// options: YAML of all of them. step_key, first_step: see TrainingLog. max_minutes: of this session; 0: no limit.
  /// progress: null for silence.
  RunRecord(const configs::RunFolder& folder, const std::string& options, std::string step_key, int64_t first_step,
            Start start, double max_minutes, Progress* progress);

  /// Wall time of the run at which max_minutes are over; 0: never.
  double time_limit() const { return max_minutes_ > 0 ? start_.seconds + 60 * max_minutes_ : 0; }

  /// A log interval: `gflops` counted per second, up to `seconds` of the run's wall time. `screen` is what a person
  /// sees of it.
  void Write(const nlohmann::ordered_json& metrics, const std::vector<float>& spans, double gflops, double seconds,
             const ProgressLine& screen);

  /// Of the session so far, which is now at these steps and seconds of the run.
  RunSpeed SpeedAt(int64_t steps, double seconds) const;

 private:
  const Start start_;
  const double max_minutes_;
  Progress* const progress_;
  TrainingLog log_;
  double last_seconds_, operations_ = 0;
};

}  // namespace lethe::tools
