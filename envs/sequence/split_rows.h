#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace lethe::envs::sequence {

// How a split of consecutive inputs is cut into rows, for tasks that read one long stream.

/// Inputs first .. first + count - 1 of a split belong to one row.
struct RowRange {
  int64_t first = 0;
  int64_t count = 0;
  bool operator==(const RowRange&) const = default;
};

/// Sizes of train, valid and test of n items: 9/10 and 1/20, rounded down, and the rest.
inline std::array<int64_t, 3> SplitSizes(int64_t n) {
  const int64_t train = n - (n + 9) / 10;  // floor(9 n / 10) without overflow
  const int64_t valid = n / 20;
  return {train, valid, n - train - valid};
}

/// Training: rows of one length; what is left over at the end is not read.
inline RowRange TrainingRow(int64_t inputs, int rows, int row) {
  const int64_t length = inputs / rows;
  return {row * length, length};
}

/// Evaluation: rows of one length, the last ones shorter or empty, so that every input is read once.
inline RowRange EvaluationRow(int64_t inputs, int rows, int row) {
  const int64_t length = (inputs + rows - 1) / rows;
  const int64_t first = std::min(row * length, inputs);
  return {first, std::min(length, inputs - first)};
}

/// The place of the next block, the same in all rows.
class BlockCursor {
 public:
  BlockCursor() = default;
  /// `length`: of the longest row. A training pass ends where no whole block is left; length >= steps then.
  BlockCursor(int64_t length, int64_t steps, bool is_training)
      : length_(length), steps_(steps), is_training_(is_training) {}

  /// Moves to the next block: its first place in every row, 0 for the first block of a pass, -1 after the last block of
  /// an evaluation.
  int64_t Advance() {
    if (is_training_ && next_ + steps_ > length_) next_ = 0;
    if (next_ >= length_) return -1;
    const int64_t first = next_;
    next_ += steps_;
    return first;
  }

  int64_t next() const { return next_; }
  void set_next(int64_t next) { next_ = next; }

 private:
  int64_t length_ = 0;
  int64_t steps_ = 0;
  bool is_training_ = false;
  int64_t next_ = 0;
};

}  // namespace lethe::envs::sequence
