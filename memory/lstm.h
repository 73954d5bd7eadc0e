#pragma once

#include "memory/recurrent_core.h"

namespace lethe::memory {

struct LstmOptions : RecurrentOptions {
  std::shared_ptr<Core> Make() const override;
};

/// Long short-term memory: i, f, o = s(W x + U h), g = tanh(W_g x + U_g h), c' = f c + i g, h' = o tanh(c').
/// Gates in the order i, f, o, g. Forget gates start at a bias of 1.
/// Source: Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000; no peepholes.
class Lstm : public RecurrentCore {
 public:
  /// Errors: std::invalid_argument naming the option, its value and the allowed range.
  explicit Lstm(const LstmOptions& options);

  std::vector<torch::Tensor> Run(const Layer& layer, const torch::Tensor& inputs, const torch::Tensor& keep,
                                 const std::vector<torch::Tensor>& before) const override;

 protected:
  std::vector<torch::Tensor> Cell(const Layer& layer, const torch::Tensor& inputs,
                                  const std::vector<torch::Tensor>& before) const override;
};

}  // namespace lethe::memory
