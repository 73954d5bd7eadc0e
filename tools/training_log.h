#pragma once

#include <cstdio>
#include <string>

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
  /// Begins after environment step `first_step`; what the files hold beyond it is dropped.
  TrainingLog(const std::string& metrics_path, const std::string& run_dir, int64_t first_step);

  void Write(const agents::TrainingStatus& status, int64_t num_envs);
  void Flush() { tensorboard_.Flush(); }

 private:
  configs::MetricsWriter metrics_;
  configs::TensorBoardWriter tensorboard_;
};

}  // namespace lethe::tools
