#pragma once

#include <torch/torch.h>

#include <memory>

#include "memory/core.h"
#include "memory/core_options.h"

namespace lethe::agents {

/// Token -> embedding -> memory core -> linear head over the labels.
/// Threads: Forward and Head only read the parameters; several threads may run them while nobody writes.
class SequenceModel : public torch::nn::Module {
 public:
  /// Errors: those of CoreOptions::Make.
  SequenceModel(int64_t num_symbols, int64_t num_labels, const memory::CoreOptions& core);

  /// tokens [B, T] u8 and episode_start [B, T] u8, both on the CPU. noise: see memory::Core::Forward.
  memory::BlockOutput Forward(const torch::Tensor& tokens, const torch::Tensor& episode_start,
                              const memory::StatePtr& state, bool want_state, uint64_t noise = 0) const;

  /// y [..., D] of Forward -> logits [..., num_labels].
  torch::Tensor Head(const torch::Tensor& y) const { return torch::linear(y, head_, head_bias_); }

  const memory::Core& core() const { return *core_; }

 private:
  std::shared_ptr<memory::Core> core_;
  torch::Tensor embedding_;         // [num_symbols, dim]
  torch::Tensor head_, head_bias_;  // [num_labels, dim], [num_labels]
};

}  // namespace lethe::agents
