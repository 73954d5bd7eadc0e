#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agents/core_options.h"
#include "agents/flat_parameters.h"
#include "agents/optimizer.h"
#include "memory/core.h"
#include "memory/torch.h"

namespace lethe::tools {

/// What is measured: a core with its options, and what its rows remember.
struct CharacterSetting {
  agents::CoreChoice core;
  bool published = false;  ///< expire_span only: the published algorithm in tensor operators
  int64_t block = 256;     ///< characters of a row in one update
  /// Per row, the span of all its steps as a share of span_limit; expire_span only. Else as many ones as rows.
  std::vector<double> span_fraction;
  torch::Dtype dtype = torch::kFloat;

  int64_t rows() const { return static_cast<int64_t>(span_fraction.size()); }
};

/// A character model (embedding of bytes, a core, linear layer, cross entropy) whose every update starts from the same
/// steady state: rows that remember as much as they do for ever with spans pinned. Random weights and text.
///
/// Updates are forward, backward and Adam; the state after the block is computed as in training, and thrown away.
class CharacterModel {
 public:
  /// Errors: std::invalid_argument, std::runtime_error of LibTorch, where core and dtype do not go together.
  explicit CharacterModel(const CharacterSetting& setting);
  ~CharacterModel();

  void Update();
  /// Bytes that one forward pass saves for backward.
  int64_t CountSavedBytes();

  double living() const { return living_; }  ///< memories a query sees, mean over rows, steps and layers
  int64_t resident_bytes() const { return resident_bytes_; }  ///< of what is remembered between blocks
  /// Arithmetic of a character with backward, counted over living memories; positions and norms are not counted.
  double FlopsPerCharacter() const;
  int64_t characters() const { return setting_.rows() * setting_.block; }

 private:
  struct Block {
    torch::Tensor y, ramp_sum;
    double living = 0;
  };
  using Forward = std::function<Block(const torch::Tensor& x)>;

  std::shared_ptr<memory::Core> MakeCore() const;
  Forward ForwardOfCore();
  Forward ForwardOfPublished();
  torch::Tensor Loss();

  const CharacterSetting setting_;
  std::shared_ptr<memory::Core> core_;
  torch::Tensor embedding_, output_, output_bias_, text_, no_starts_;
  torch::nn::Module model_;  // of all that learns
  std::unique_ptr<agents::FlatParameters> parameters_;
  std::vector<float> values_, gradient_;  // float32 whatever the core's type
  std::unique_ptr<agents::Optimizer> optimizer_;
  Forward forward_;
  double living_ = 0;
  int64_t resident_bytes_ = 0;
};

}  // namespace lethe::tools
