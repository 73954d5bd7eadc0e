#pragma once

#include <memory>
#include <string>

#include "memory/core.h"
#include "memory/core_options.h"
#include "memory/recurrent_core.h"

namespace lethe::memory {

/// A recurrent cell before another memory: y = body(x + W h), h the cell's output over x. A transformer's layers read
/// each other once a step, so that what depends on all steps before, a count or a queue, needs a layer for every change
/// of it; the cell takes one step after the other. The body then remembers what the cell made of each step. What the
/// cell carries is no step of the past: it is not among the living memories, has no span and is never charged.
/// Parameters: front.* (struct RecurrentCore), join [H, H] = W, body.*. The saved state has the body's tensors under
/// their names and the cell's under "front.".
class RecurrentFront : public Core {
 public:
  RecurrentFront(std::shared_ptr<RecurrentCore> front, std::shared_ptr<Core> body);

  int64_t dim() const override { return body_->dim(); }
  StatePtr Start(int64_t rows) const override;
  BlockOutput Forward(const torch::Tensor& x, const torch::Tensor& episode_start, const StatePtr& state,
                      int64_t lookahead = 0, bool want_state = false, uint64_t noise = 0,
                      const Between& between = {}) const override;
  std::unique_ptr<Stepper> Begin(const StatePtr& state, int64_t steps, Between between = {}) const override;
  StatePtr Restore(const TensorMap& saved) const override;
  StatePtr Gather(const StatePtr& state, const std::vector<int64_t>& rows) const override;
  std::vector<BoundedParameter> BoundedParameters() const override { return body_->BoundedParameters(); }
  void RestartSpans(double share_of_limit) override { body_->RestartSpans(share_of_limit); }
  void StretchSpans(double factor) override { body_->StretchSpans(factor); }
  void SharpenSpans(double factor) override { body_->SharpenSpans(factor); }
  const Core& Body() const override { return *body_; }
  Flops CountFlops(int64_t block, double living) const override;

 private:
  const std::shared_ptr<RecurrentCore> front_;
  const std::shared_ptr<Core> body_;
  torch::Tensor join_;  // [H, H]
};

/// The cell that these options put before their memory; "none" too where they have no such option.
std::string FrontOf(const CoreOptions& options);

}  // namespace lethe::memory
