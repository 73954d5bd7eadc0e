#include "agents/sequence_model.h"

#include <cmath>

namespace lethe::agents {

using torch::Tensor;

SequenceModel::SequenceModel(int64_t num_symbols, int64_t num_labels, const memory::CoreOptions& core) {
  const int64_t dim = core.dim;
  embedding_ = register_parameter("embedding", torch::randn({num_symbols, dim}));
  core_ = register_module("memory", core.Make());
  // Small logits at the start: labels are nearly alike, and the first loss is that of guessing.
  head_ = register_parameter("head", 0.1 * torch::randn({num_labels, dim}) / std::sqrt(static_cast<double>(dim)));
  head_bias_ = register_parameter("head_bias", torch::zeros({num_labels}));
}

memory::BlockOutput SequenceModel::Forward(const Tensor& tokens, const Tensor& episode_start,
                                           const memory::StatePtr& state, bool want_state, uint64_t noise) const {
  const Tensor x = torch::embedding(embedding_, tokens.to(embedding_.device(), torch::kLong));  // [B, T, D]
  return core_->Forward(x, episode_start, state, 0, want_state, noise);
}

}  // namespace lethe::agents
