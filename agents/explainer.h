#pragma once

#include <cstdint>
#include <vector>

#include "memory/torch.h"

namespace lethe::agents {

/// Tells what a scout is after (envs::Spec::explanation), from what comes out of the memory: for every token the logits
/// of its values. Only cloning asks; no action depends on it. An action may need a fact many steps later, an
/// explanation needs it at every step until then: so it is found out sooner what to remember. Source: Lampinen et al.,
/// "Tell me why! Explanations support learning relational and causal structure", arXiv:2112.03753.
class Explainer : public torch::nn::Module {
 public:
  Explainer(const std::vector<int>& vocabularies, int64_t dim);
  /// y [B, S, dim] -> [B, S, sum of the vocabularies], the tokens' logits one after the other.
  torch::Tensor Forward(const torch::Tensor& y) const;

 private:
  torch::Tensor weight_, bias_;  // [sum of the vocabularies, dim], [sum of the vocabularies]
};

}  // namespace lethe::agents
