#pragma once

#include <cstdint>
#include <vector>

#include "memory/core.h"

namespace lethe::agents {

/// What a memory held over some blocks: sums of which logs show the means. Per layer where a vector; empty for cores
/// whose memory is not made of steps, or has no predicted spans.
class MemoryTally {
 public:
  /// ramp: R of the paper's memory size.
  explicit MemoryTally(double ramp = 0) : ramp_(ramp) {}

  /// A block that started from `before`. padding [B, T]: nonzero steps belong to no sequence and remember nothing
  /// (each starts an episode); they are left out of means over steps. A row that is over holds one. Null: there are
  /// none.
  void Add(const memory::BlockOutput& block, const memory::State& before, const uint8_t* padding = nullptr);
  /// Blocks of other rows or later ones.
  void Add(const MemoryTally& other);

  std::vector<double> living() const;  ///< living memories of a step
  std::vector<double> living_max() const { return living_.max; }
  std::vector<double> resident() const;   ///< stored memories of a row, bank and block
  std::vector<double> span_mean() const;  ///< of the blocks' own steps
  /// R - 1 + mean floor(e), the memory size of the paper's tables; NaN without spans.
  double paper_memory_size() const;
  double bytes() const;                                                   ///< stored by a row at the start of a block
  const std::vector<float>& span_sample() const { return span_sample_; }  ///< of each block's first steps, all layers

 private:
  double ramp_;
  memory::LivingStats living_;
  std::vector<double> resident_, span_sum_, floor_sum_;
  int64_t span_steps_ = 0;
  int64_t row_blocks_ = 0;
  double bytes_ = 0;
  std::vector<float> span_sample_;
};

}  // namespace lethe::agents
