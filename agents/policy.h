#pragma once

#include <memory>
#include <vector>

#include "agents/cell_pointer.h"
#include "agents/encoder.h"
#include "agents/explainer.h"
#include "memory/core.h"
#include "memory/core_options.h"
#include "memory/linear.h"
#include "memory/torch.h"

namespace lethe::agents {

/// Everything that decides a policy's parameters.
struct PolicyOptions {
  std::vector<int> vocabularies;  ///< of the observation's tokens
  int num_actions = 0;
  CellLayout cells;              ///< where the observation shows a grid
  int64_t cell_heads = 0;        ///< of the CellPointer; 0: there is none
  int64_t glance_heads = 0;      ///< of the CellGlance before the memory's last layer; 0: there is none
  std::vector<int> explanation;  ///< vocabularies of what the Explainer tells; empty: there is none
  std::shared_ptr<const memory::CoreOptions> memory;
};

/// Steps a policy through one unroll, without gradients.
class PolicyStepper {
 public:
  PolicyStepper(const class Policy& policy, const memory::StatePtr& state, int64_t steps);
  /// observations [B, tokens] and episode_start [B] of B rows -> [B, num_actions + 1] f32 on the CPU: logits, then
  /// value.
  torch::Tensor Step(const uint8_t* observations, const uint8_t* episode_start, memory::Trace* trace = nullptr);
  memory::Stepper& memory() { return *memory_; }

 private:
  const Policy& policy_;
  const int64_t rows_;
  const std::shared_ptr<torch::Tensor> seen_;  // [1, B, tokens] the present observations
  std::unique_ptr<memory::Stepper> memory_;
};

/// Observation tokens -> encoder -> memory core -> one linear head for logits and value. Where options ask for it, a
/// pointer to the cells in view adds to both, and a glance at them, with queries by what comes out of the memory's last
/// layer but one, adds to what the last remembers.
/// Threads: Forward and PolicyStepper only read the parameters; several threads may run them while nobody writes.
class Policy : public torch::nn::Module {
 public:
  explicit Policy(const PolicyOptions& options);

  struct Output {
    torch::Tensor head;  ///< [B, S, num_actions + 1]: logits, then value
    memory::BlockOutput memory;
    torch::Tensor explanation;  ///< the Explainer's logits, [B, S, sum of the vocabularies], where asked for
  };
  /// observations [S, B, tokens] u8, episode_start [B, S] u8. The last slot only looks ahead: its step is not
  /// remembered. noise: see Core::Forward.
  Output Forward(const torch::Tensor& observations, const torch::Tensor& episode_start, const memory::StatePtr& state,
                 bool want_state = false, uint64_t noise = 0) const;

  const PolicyOptions& options() const { return options_; }
  const memory::Core& core() const { return *core_; }
  memory::Core& core() { return *core_; }
  const TokenEncoder& encoder() const { return *encoder_; }
  /// y [B, S, dim] of the core, observations as in Forward -> [B, S, num_actions + 1].
  torch::Tensor Head(const torch::Tensor& y, const torch::Tensor& observations) const;
  /// y as in Head -> logits as in Output::explanation. std::logic_error without an Explainer.
  torch::Tensor Explain(const torch::Tensor& y) const;
  /// What the memory gets between its layers; empty without a glance. *observations [S, B, tokens] are read at every
  /// call, S = 1 where the memory steps.
  memory::Between Between(const std::shared_ptr<const torch::Tensor>& observations) const;
  /// Of one step, multiply-adds of linear layers as two; without the Explainer.
  double HeadFlops() const;

 private:
  const PolicyOptions options_;
  std::shared_ptr<TokenEncoder> encoder_;
  std::shared_ptr<memory::Core> core_;
  std::shared_ptr<CellPointer> pointer_;  // null without
  std::shared_ptr<CellGlance> glance_;    // null without
  std::shared_ptr<Explainer> explainer_;  // null without
  torch::Tensor head_, head_bias_;        // [num_actions + 1, dim], [num_actions + 1]
};

}  // namespace lethe::agents
