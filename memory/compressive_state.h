#pragma once

#include <torch/types.h>

#include <limits>
#include <vector>

#include "memory/core.h"

namespace lethe::memory {

/// A time that never comes: of slots and steps that do not exist.
inline constexpr int64_t kNever = std::numeric_limits<int64_t>::max() / 2;

/// Sizes of a compressive memory. Letters of the paper in brackets.
struct CompressiveShape {
  int64_t layers, dim;
  int64_t length;  ///< [L] steps remembered as they are
  int64_t slots;   ///< [C] whole groups remembered beyond them; one more is on its way out
  int64_t rate;    ///< [c] steps of a group

  /// First step of the group that slot j (0..C, oldest first) of a state holds; below `start`: the slot is empty.
  /// A group has a slot as soon as its first step is the oldest of the L that the last step saw.
  int64_t SlotTime(int64_t clock, int64_t start, int64_t j) const;
};

/// Per row the last L steps and the groups before them, up to C + 1; zeros where there is nothing. Groups are counted
/// from the first step of the row's episode, so that what a row remembers does not depend on blocks.
class CompressiveState : public State {
 public:
  struct Layer {
    torch::Tensor steps;  ///< [B, L, D] inputs of the layer at times clock - L .. clock - 1
    torch::Tensor slots;  ///< [B, C + 1, D] compressed groups in order of time
  };
  /// clock, start [B] i64, CPU: times of the row's next step and of the first step of its episode.
  CompressiveState(CompressiveShape shape, std::vector<Layer> layers, torch::Tensor clock, torch::Tensor start)
      : shape_(shape), layers_(std::move(layers)), clock_(std::move(clock)), start_(std::move(start)) {}

  int64_t rows() const override { return clock_.size(0); }
  std::vector<int64_t> resident() const override;
  int64_t bytes() const override;
  TensorMap Save() const override;

  const CompressiveShape& shape() const { return shape_; }
  const std::vector<Layer>& layers() const { return layers_; }
  const torch::Tensor& clock() const { return clock_; }
  const torch::Tensor& start() const { return start_; }

  /// Rows at time 0 whose episode began at `start` <= 0 and saw zeros since.
  static StatePtr Start(const CompressiveShape& shape, int64_t rows, int64_t start,
                        const torch::TensorOptions& options);
  /// The state as one of this shape. Errors: std::invalid_argument if it is another memory's.
  static const CompressiveState& Of(const StatePtr& state, const CompressiveShape& shape,
                                    const torch::TensorOptions& options);
  /// The inverse of Save. Errors: std::invalid_argument naming the tensor that does not fit.
  static StatePtr Restore(const TensorMap& saved, const CompressiveShape& shape, const torch::TensorOptions& options);
  /// Rows in the given order; -1: a row that remembers nothing. Errors: std::invalid_argument naming a row that does
  /// not exist.
  StatePtr Gather(const std::vector<int64_t>& rows) const;

 private:
  const CompressiveShape shape_;
  const std::vector<Layer> layers_;
  const torch::Tensor clock_, start_;
};

}  // namespace lethe::memory
