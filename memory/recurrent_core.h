#pragma once

#include <memory>
#include <string>
#include <vector>

#include "memory/core.h"
#include "memory/core_options.h"
#include "memory/recurrent_state.h"

namespace lethe::memory {

struct RecurrentOptions : CoreOptions {
  int64_t layers = 1;
  double dropout = 0;  ///< of what passes from one layer to the next, in training

  void Visit(OptionVisitor& visit) override;
  void Check() const override;
};

/// Layers of a recurrent cell, each as wide as the stream: y is the last layer's hidden state. An episode start clears
/// its row's state before the step. Inputs of a whole block are projected in one product; the cell runs over time.
/// Parameters, G gates: layers.l.input [G H, H], layers.l.input_bias [G H], layers.l.hidden [G H, H].
class RecurrentCore : public Core {
 public:
  int64_t dim() const override { return shared_->dim; }
  StatePtr Start(int64_t rows) const override;
  BlockOutput Forward(const torch::Tensor& x, const torch::Tensor& episode_start, const StatePtr& state,
                      int64_t lookahead = 0, bool want_state = false, uint64_t noise = 0,
                      const Between& between = {}) const override;
  std::unique_ptr<Stepper> Begin(const StatePtr& state, int64_t steps, Between between = {}) const override;
  StatePtr Restore(const TensorMap& saved) const override { return Restore(saved, ""); }
  /// The same, names behind `prefix`.
  StatePtr Restore(const TensorMap& saved, const std::string& prefix) const;
  StatePtr Gather(const StatePtr& state, const std::vector<int64_t>& rows) const override;
  Flops CountFlops(int64_t block, double living) const override;

  struct Layer {
    torch::Tensor input, input_bias, hidden;
    torch::Tensor hidden_bias;  ///< of the cells that have one
  };
  const std::vector<Layer>& layers() const { return layers_; }

  /// One layer over a block, time first: inputs [T, B, G H], keep [T, B, 1] (0 where the row's state is cleared before
  /// the step) and the carried vectors before -> each carried vector after every step, [T, B, H]; the first is the
  /// output. Fast on the CPU, with gradients written by hand.
  virtual std::vector<torch::Tensor> Run(const Layer& layer, const torch::Tensor& inputs, const torch::Tensor& keep,
                                         const std::vector<torch::Tensor>& before) const = 0;
  /// The same step by step in tensor operators: other devices, and what Run is tested against.
  std::vector<torch::Tensor> RunPlain(const Layer& layer, const torch::Tensor& inputs, const torch::Tensor& keep,
                                      const std::vector<torch::Tensor>& before) const;

 protected:
  /// carried: names of the vectors that a layer carries, its output first.
  RecurrentCore(std::shared_ptr<const RecurrentOptions> options, int64_t gates, std::vector<std::string> carried,
                bool hidden_bias);

  /// One step: inputs [B, G H], carried vectors [B, H] as they come in -> as they go out.
  virtual std::vector<torch::Tensor> Cell(const Layer& layer, const torch::Tensor& inputs,
                                          const std::vector<torch::Tensor>& before) const = 0;

 private:
  torch::TensorOptions StateOptions() const { return layers_[0].input.options().requires_grad(false); }

  const std::shared_ptr<const RecurrentOptions> shared_;
  const int64_t gates_;
  const size_t carried_;
  std::vector<CarriedVector> layout_;
  std::vector<Layer> layers_;
};

}  // namespace lethe::memory
