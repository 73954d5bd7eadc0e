#include "agents/sequence_model.h"

#include <fmt/format.h>

#include <cmath>
#include <stdexcept>
#include <string>

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

void SequenceModel::RunCoreIn(torch::Dtype dtype) {
  dtype_ = dtype;
  core_->to(dtype);
  try {  // there is no telling but by trying
    const Tensor x = torch::zeros({1, 2, core_->dim()}, torch::device(embedding_.device()).dtype(dtype));
    const Tensor y =
        core_->Forward(x, torch::zeros({1, 2}, torch::kByte), core_->Start(1), 0, /*want_state=*/true).y.sum();
    if (y.requires_grad()) torch::autograd::grad({y}, core_->parameters(), {}, false, false, /*allow_unused=*/true);
  } catch (const c10::OutOfMemoryError&) {
    throw;  // no fault of the type
  } catch (const c10::Error& error) {
    const std::string message = error.what();
    throw std::invalid_argument(fmt::format("this memory cannot compute in {} on {}: {}", torch::toString(dtype),
                                            embedding_.device().str(), message.substr(0, message.find('\n'))));
  }
}

memory::BlockOutput SequenceModel::Forward(const Tensor& tokens, const Tensor& episode_start,
                                           const memory::StatePtr& state, bool want_state, uint64_t noise) const {
  const Tensor x = torch::embedding(embedding_, tokens.to(embedding_.device(), torch::kLong));  // [B, T, D]
  return core_->Forward(x.to(dtype_), episode_start, state, 0, want_state, noise);
}

}  // namespace lethe::agents
