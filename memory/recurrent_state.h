#pragma once

#include <torch/types.h>

#include <string>
#include <vector>

#include "memory/core.h"

namespace lethe::memory {

/// Names and widths of the vectors that a row carries from step to step, e.g. {"layer0.hidden", 64}.
struct CarriedVector {
  std::string name;
  int64_t width;
};

/// What memories of fixed size remember: a few vectors per row, and how many steps the row has taken.
class RecurrentState : public State {
 public:
  /// vectors: each [B, width], in the order of `layout`; clock [B] i64, CPU.
  RecurrentState(std::vector<CarriedVector> layout, std::vector<torch::Tensor> vectors, torch::Tensor clock)
      : layout_(std::move(layout)), vectors_(std::move(vectors)), clock_(std::move(clock)) {}

  int64_t rows() const override { return clock_.size(0); }
  std::vector<int64_t> resident() const override { return {}; }  // no steps are stored
  int64_t bytes() const override;
  TensorMap Save() const override;

  const std::vector<CarriedVector>& layout() const { return layout_; }
  const std::vector<torch::Tensor>& vectors() const { return vectors_; }
  const torch::Tensor& clock() const { return clock_; }

  /// Rows that remember nothing: zeros.
  static std::shared_ptr<const RecurrentState> Start(const std::vector<CarriedVector>& layout, int64_t rows,
                                                     const torch::TensorOptions& options);
  /// The state as one of this layout. Errors: std::invalid_argument if it is another memory's.
  static const RecurrentState& Of(const StatePtr& state, const std::vector<CarriedVector>& layout,
                                  const torch::TensorOptions& options);
  /// The inverse of Save, names behind `prefix`. Errors: std::invalid_argument naming the tensor that does not fit.
  static StatePtr Restore(const TensorMap& saved, const std::vector<CarriedVector>& layout,
                          const torch::TensorOptions& options, const std::string& prefix = "");
  /// Rows in the given order; -1: a row that remembers nothing. Errors: std::invalid_argument naming a row that does
  /// not exist.
  StatePtr Gather(const std::vector<int64_t>& rows) const;

 private:
  const std::vector<CarriedVector> layout_;
  const std::vector<torch::Tensor> vectors_;
  const torch::Tensor clock_;
};

}  // namespace lethe::memory
