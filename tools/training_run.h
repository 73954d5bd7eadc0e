#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agents/trainer.h"
#include "configs/run_folder.h"
#include "tools/progress.h"
#include "tools/run_record.h"

namespace lethe::tools {

/// A trainer and the run folder it writes: config.yaml, metrics, checkpoints, live weights; and what the screen shows.
/// Errors of all calls: those of agents::Trainer, configs::RunFolder and the writers.
class TrainingRun {
 public:
  /// The folder is locked for writing. progress: null for silence.
  TrainingRun(configs::RunFolder folder, agents::RunOptions& options, Progress* progress);

  /// A new run, from fresh weights or from those given; then Train.
  void Begin(const std::vector<float>* initial_weights);
  /// Goes on from the newest good checkpoint; `warn` hears of damaged ones. Then Train.
  void Resume(const std::function<void(const std::string&)>& warn);

  /// True: to the end. False: `stop` said so, or train.max_minutes have passed.
  bool Train(const std::function<bool()>& stop);

  const configs::RunFolder& folder() const { return folder_; }
  const agents::TrainerState& state() const { return trainer_->state(); }
  /// Of this session; steps are those of environments.
  RunSpeed speed() const { return record_->SpeedAt(state().env_steps, state().seconds); }

 private:
  void OpenRecord();
  void Log(const agents::TrainingStatus& status);
  void SaveLive(const std::vector<float>& weights, int64_t env_steps) const;
  void SaveCheckpoint(const agents::TrainerState& state) const;

  const configs::RunFolder folder_;
  agents::RunOptions& options_;
  Progress* const progress_;
  std::function<bool()> stop_;
  std::unique_ptr<agents::Trainer> trainer_;
  std::unique_ptr<RunRecord> record_;
};

}  // namespace lethe::tools
