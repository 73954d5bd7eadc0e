#pragma once

#include "memory/recurrent_core.h"

namespace lethe::memory {

struct GruOptions : RecurrentOptions {
  std::shared_ptr<Core> Make() const override;
};

/// Gated recurrent unit: r = s(W_r x + U_r h), z = s(W_z x + U_z h), n = tanh(W_n x + r (U_n h + b)),
/// h' = (1 - z) n + z h. Gates in the order r, z, n, biases of the inputs included in W.
/// Source: arXiv:1406.1078; r behind the product as in cuDNN and torch.nn.GRU.
class Gru : public RecurrentCore {
 public:
  /// Errors: std::invalid_argument naming the option, its value and the allowed range.
  explicit Gru(const GruOptions& options);

  std::vector<torch::Tensor> Run(const Layer& layer, const torch::Tensor& inputs, const torch::Tensor& keep,
                                 const std::vector<torch::Tensor>& before) const override;

 protected:
  std::vector<torch::Tensor> Cell(const Layer& layer, const torch::Tensor& inputs,
                                  const std::vector<torch::Tensor>& before) const override;
};

}  // namespace lethe::memory
