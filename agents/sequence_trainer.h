#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agents/sequence_evaluation.h"
#include "agents/sequence_state.h"

namespace lethe::agents {

/// One log interval of a sequence training, for metrics files and for the screen.
struct SequenceStatus {
  bool consolidates = false;  ///< the second phase
  int64_t updates = 0, max_updates = 0, tokens = 0;
  double seconds = 0;          ///< wall time of the run, earlier sessions and evaluations included
  double chars_per_s = 0;      ///< tokens per second of wall time, evaluations left out
  double chars_per_cpu_s = 0;  ///< the same over the CPU time of all threads
  double loss = 0;             ///< nats per scored label; NaN: none was scored
  double kl = 0;  ///< nats per scored label from the teacher, averaged over updates from 0 on; NaN: there is none
  std::vector<NamedScore> scores;  ///< of the training blocks
  double curriculum = 0;           ///< value of the curriculum parameter; NaN: the task has none
  std::string curriculum_name;     ///< "" then
  std::vector<NamedScore> valid;   ///< empty: no evaluation in this interval
  std::vector<double> living, living_max, resident, span_mean;  ///< per layer
  double paper_memory_size = 0;
  double memory_bytes = 0;                                   ///< stored memories of all rows, mean
  int64_t saved_bytes = 0;                                   ///< for backward, in the last update
  double grad_norm = 0, learning_rate = 0, span_weight = 0;  ///< of the last update
  double gflops = 0;                                         ///< counted arithmetic per second
  std::vector<float> span_sample;
};

/// How a trainer speaks to the program around it. All are called from the thread that runs Train.
struct SequenceHooks {
  std::function<void(const SequenceStatus&)> log;
  std::function<void(const SequenceState&)> checkpoint;  ///< save this; throws if that fails
  std::function<void(const std::vector<float>&, int64_t updates)> live;
  std::function<bool()> stop;  ///< asked after every update and during evaluations
};

/// Trains a SequenceModel on the blocks of a stream, one update a block: on the labels, then, while consolidating, on
/// what its former self says to the same blocks (teacher and student read them side by side, each with its own memory),
/// charged for what it remembers.
/// On the CPU a run that was restored from a checkpoint goes on bit for bit.
/// Errors: whatever a hook or a thread throws; std::runtime_error for a loss or gradient that is not finite (the state
/// before it is what the last checkpoint holds).
class SequenceTrainer {
 public:
  /// Errors: std::invalid_argument for options, files and sizes that do not fit; every split is opened once.
  SequenceTrainer(const SequenceOptions& options, SequenceHooks hooks);
  ~SequenceTrainer();

  /// Goes on from a checkpoint; without it training starts from fresh weights. Errors: std::invalid_argument for more
  /// updates of learning than the teacher of a consolidation had.
  void Restore(SequenceState state);
  /// Fresh start from given weights.
  void InitFrom(const std::vector<float>& parameters);

  /// Runs to the end of both phases, or until `stop` or max_minutes. True: the end was reached.
  bool Train();

  const SequenceState& state() const;
  const std::vector<ParameterLayout>& layout() const;
  const memory::Core& core() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lethe::agents
