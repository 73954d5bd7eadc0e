#pragma once

#include <torch/types.h>

#include <vector>

#include "memory/core.h"

namespace lethe::memory {

/// Memories of one layer, packed: row b owns [begin[b], begin[b] + count[b]) in order of time.
struct Bank {
  torch::Tensor hidden;  ///< [N, D] inputs of the layer, on the core's device
  torch::Tensor time;    ///< [N] i64, CPU: the row's clock when the step was taken
  torch::Tensor begin;   ///< [B] i64, CPU
  torch::Tensor count;   ///< [B] i64, CPU
  int64_t longest = 0;   ///< largest count
};

/// A bank per layer and a clock per row. Holds only memories of the row's present episode.
class BankedState : public State {
 public:
  BankedState(std::vector<Bank> banks, torch::Tensor clock) : banks_(std::move(banks)), clock_(std::move(clock)) {}

  int64_t rows() const override { return clock_.size(0); }
  std::vector<int64_t> resident() const override;
  int64_t bytes() const override;
  TensorMap Save() const override;

  const std::vector<Bank>& banks() const { return banks_; }
  /// [B] i64, CPU: time of the row's next step; counts on over episodes.
  const torch::Tensor& clock() const { return clock_; }

 private:
  const std::vector<Bank> banks_;
  const torch::Tensor clock_;
};

/// The state as a BankedState. Errors: std::invalid_argument if it belongs to another kind of memory.
const BankedState& AsBankedState(const StatePtr& state);

/// A bank of `rows` empty rows.
Bank EmptyBank(int64_t rows, int64_t dim, const torch::TensorOptions& options);

/// One row's share of a new bank: memories of the old bank (by index) followed by steps of the block.
struct KeptRow {
  std::vector<int64_t> banked;  ///< indices into the old bank
  std::vector<int64_t> steps;   ///< steps of the block
};

/// Published dropping: every row loses the same number of dead memories, the largest multiple of `block` that all rows
/// have, oldest first. `dead` flags the entries of kept[row].banked.
void DropWholeBlocks(const std::vector<std::vector<char>>& dead, int64_t block, std::vector<KeptRow>& kept);

/// Packs what is kept. block [B, T, D]; clock [B]: time of the block's first step.
Bank Repack(const Bank& bank, const torch::Tensor& block, const torch::Tensor& clock, const std::vector<KeptRow>& kept);

/// Rows of a state in the given order; -1: an empty row with clock 0.
/// Errors: std::invalid_argument naming a row that does not exist.
std::shared_ptr<const BankedState> GatherRows(const BankedState& state, const std::vector<int64_t>& rows);

/// The inverse of Save. Errors: std::invalid_argument naming the tensor that does not fit.
std::shared_ptr<const BankedState> RestoreState(const TensorMap& saved, int64_t layers, int64_t dim,
                                                const torch::TensorOptions& options);

}  // namespace lethe::memory
