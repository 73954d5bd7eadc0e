#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agents/sequence_trainer.h"
#include "configs/run_folder.h"
#include "tools/progress.h"
#include "tools/run_record.h"

namespace lethe::tools {

/// A sequence trainer and the run folder it writes: config.yaml, metrics, checkpoints, live weights; and what the
/// screen shows. Errors of all calls: those of agents::SequenceTrainer, configs::RunFolder and the writers.
class SequenceRun {
 public:
  /// progress: null for silence.
  SequenceRun(agents::SequenceOptions& options, Progress* progress);

  /// A new run, from fresh weights or from those given; then Train. The folder is locked for writing.
  void Begin(configs::RunFolder folder, const std::vector<float>* initial_weights);
  /// Goes on from the newest good checkpoint; `warn` hears of damaged ones. Then Train.
  void Resume(configs::RunFolder folder, const std::function<void(const std::string&)>& warn);

  /// True: to the end. False: `stop` said so, or train.max_minutes have passed.
  bool Train(const std::function<bool()>& stop);

  const configs::RunFolder& folder() const { return *folder_; }
  const agents::SequenceState& state() const { return trainer_->state(); }
  const std::vector<agents::ParameterLayout>& layout() const { return trainer_->layout(); }
  /// Of this session; steps are tokens.
  RunSpeed speed() const { return record_->SpeedAt(state().tokens, state().seconds); }

 private:
  void OpenRecord();
  void Log(const agents::SequenceStatus& status);
  void SaveCheckpoint(const agents::SequenceState& state) const;

  agents::SequenceOptions& options_;
  Progress* const progress_;
  std::function<bool()> stop_;
  std::unique_ptr<agents::SequenceTrainer> trainer_;
  std::unique_ptr<const configs::RunFolder> folder_;
  std::unique_ptr<RunRecord> record_;
};

}  // namespace lethe::tools
