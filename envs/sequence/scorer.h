#pragma once

#include <cstdint>
#include <vector>

#include "envs/sequence/sequence_task.h"

namespace lethe::envs::sequence {

/// Turns a model's answers into the scores of a task. One for an evaluation, or for a stretch of training.
/// Threads: one at a time.
class Scorer {
 public:
  Scorer(const SequenceSpec& spec, int rows) : spec_(spec), rows_(rows) {}

  /// Adds a block that SequenceStream::Next wrote, blocks in order. `nats` [rows, steps]: -ln of the probability given
  /// to the label; `predicted` [rows, steps]: the most probable label. Tokens that are not scored are not looked at.
  void Add(int64_t steps, const TokenBlock& block, const float* nats, const uint8_t* predicted);

  int64_t num_scored() const { return num_scored_; }
  /// Mean -ln probability of the scored labels; NaN before the first.
  double mean_nats() const;
  /// One value for each of spec.scores; NaN where nothing was counted.
  std::vector<double> Values() const;

  /// Starts to count anew; a sequence that is under way stays so.
  void Clear();

 private:
  // Where a row is in a sequence of labels. A sequence of which the beginning was not seen is never complete, because
  // the next episode ends it.
  struct Progress {
    int64_t labels = 0;
    bool all_right = true;
  };

  void AddLabel(Progress& progress, bool right);
  double Value(Measure measure) const;

  SequenceSpec spec_;
  std::vector<Progress> rows_;
  int64_t num_scored_ = 0;
  int64_t num_right_ = 0;
  double sum_nats_ = 0;
  int64_t num_sequences_ = 0;
  int64_t num_right_sequences_ = 0;
};

}  // namespace lethe::envs::sequence
