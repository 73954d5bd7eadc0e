#pragma once

#include <memory>

#include "memory/core.h"
#include "memory/core_options.h"
#include "memory/torch.h"

namespace lethe::agents {

/// Token -> embedding -> memory core -> linear head over the labels. Embedding and head are float32 whatever the core
/// is. Threads: Forward and Head only read the parameters; several threads may run them while nobody writes.
class SequenceModel : public torch::nn::Module {
 public:
  /// Errors: those of CoreOptions::Make.
  SequenceModel(int64_t num_symbols, int64_t num_labels, const memory::CoreOptions& core);

  /// Has the core compute in float32 or bfloat16, its parameters and what it remembers included. Call it before anyone
  /// uses them. Errors: std::invalid_argument where the core or the device cannot.
  void RunCoreIn(torch::Dtype dtype);

  /// tokens [B, T] u8 and episode_start [B, T] u8, both on the CPU. noise: see memory::Core::Forward.
  memory::BlockOutput Forward(const torch::Tensor& tokens, const torch::Tensor& episode_start,
                              const memory::StatePtr& state, bool want_state, uint64_t noise = 0) const;

  /// y [..., D] of Forward -> logits [..., num_labels], float32.
  torch::Tensor Head(const torch::Tensor& y) const {
    return torch::linear(y.to(head_.scalar_type()), head_, head_bias_);
  }

  const memory::Core& core() const { return *core_; }
  memory::Core& core() { return *core_; }

 private:
  std::shared_ptr<memory::Core> core_;
  torch::Dtype dtype_ = torch::kFloat;  // of the core
  torch::Tensor embedding_;             // [num_symbols, dim]
  torch::Tensor head_, head_bias_;      // [num_labels, dim], [num_labels]
};

}  // namespace lethe::agents
