#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "envs/sequence/sequence_task.h"

namespace lethe::envs::sequence {

/// A sequence of SequenceSpec::labels_per_sequence labels that has come to its end.
struct CompletedSequence {
  bool right = false;     ///< every label was predicted
  double curriculum = 0;  ///< value of the curriculum parameter when its episode began
};

/// Turns a model's answers into the scores of a task. One for an evaluation, or for a stretch of training.
/// Threads: one at a time.
class Scorer {
 public:
  Scorer(const SequenceSpec& spec, int rows)
      : spec_(spec), labels_(static_cast<size_t>(rows)), wrong_(labels_.size()), curriculum_(labels_.size()) {}

  /// Adds a block that SequenceStream::Next wrote, blocks in order. `nats` [rows, steps]: -ln of the probability given
  /// to the label; `predicted` [rows, steps]: the most probable label. Tokens that are not scored are not looked at.
  /// Returns the sequences that this block completed, row by row. curriculum: its value while the block was drawn.
  std::vector<CompletedSequence> Add(int64_t steps, const TokenBlock& block, const float* nats,
                                     const uint8_t* predicted, double curriculum = 0);

  int64_t num_scored() const { return num_scored_; }
  /// Mean -ln probability of the scored labels; NaN before the first.
  double mean_nats() const;
  /// One value for each of spec.scores; NaN where nothing was counted.
  std::vector<double> Values() const;

  /// Starts to count anew; a sequence that is under way stays so.
  void Clear();

  /// The sequences that are under way, as bytes for the same build and machine type.
  /// Errors of Restore: std::invalid_argument for damaged bytes or another number of rows.
  std::vector<std::byte> Save() const;
  void Restore(std::span<const std::byte> bytes);

 private:
  /// Does this label complete a sequence?
  bool AddLabel(size_t row, bool right);
  double Value(Measure measure) const;

  SequenceSpec spec_;
  // Of the sequence that is under way in each row: labels so far, wrong ones among them, and the curriculum's value
  // when its episode began. A sequence of which the beginning was not seen is never complete, because the next episode
  // ends it.
  std::vector<int64_t> labels_, wrong_;
  std::vector<double> curriculum_;
  int64_t num_scored_ = 0;
  int64_t num_right_ = 0;
  double sum_nats_ = 0;
  int64_t num_sequences_ = 0;
  int64_t num_right_sequences_ = 0;
};

}  // namespace lethe::envs::sequence
