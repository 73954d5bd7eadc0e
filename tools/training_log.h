#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "agents/trainer.h"
#include "configs/metrics.h"
#include "configs/tensorboard.h"
#include "tools/progress.h"

namespace lethe::tools {

/// One line of metrics.jsonl. Units stand in the names; lists have one entry per layer.
nlohmann::ordered_json MetricsLine(const agents::TrainingStatus& status, int64_t num_envs);

/// What a person sees of it. total_seconds: the limit on wall time, 0: none.
ProgressLine MakeProgressLine(const agents::TrainingStatus& status, double total_seconds);

/// Writes what a training reports to the run's files. Threads: one object belongs to one thread.
class TrainingLog {
 public:
  /// step_key: the number that grows from line to line, "env_steps". Begins after `first_step`; what the files hold
  /// beyond it is dropped.
  TrainingLog(const std::string& metrics_path, const std::string& run_dir, std::string step_key, int64_t first_step);

  /// A line of metrics.jsonl, the same numbers for TensorBoard, and there a histogram of spans.
  void Write(const nlohmann::ordered_json& line, const std::vector<float>& spans);

 private:
  const std::string step_key_;
  configs::MetricsWriter metrics_;
  configs::TensorBoardWriter tensorboard_;
};

}  // namespace lethe::tools
