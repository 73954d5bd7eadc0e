#include "agents/explainer.h"

#include <numeric>

#include "memory/linear.h"

namespace lethe::agents {

Explainer::Explainer(const std::vector<int>& vocabularies, int64_t dim) {
  const auto logits = std::accumulate(vocabularies.begin(), vocabularies.end(), int64_t{0});
  weight_ = register_parameter("weight", torch::randn({logits, dim}) * 0.01);
  bias_ = register_parameter("bias", torch::zeros({logits}));
}

torch::Tensor Explainer::Forward(const torch::Tensor& y) const { return memory::Linear(y, weight_, bias_); }

}  // namespace lethe::agents
