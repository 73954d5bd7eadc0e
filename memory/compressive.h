#pragma once

#include <memory>
#include <string>
#include <vector>

#include "memory/compressive_state.h"
#include "memory/core.h"
#include "memory/transformer_layer.h"

namespace lethe::memory {

/// Letters of the paper in brackets.
struct CompressiveOptions : TransformerOptions {
  int64_t memory_length = 64;        ///< [L] steps remembered as they are; >= rate
  int64_t slots = 16;                ///< [C] compressed memories
  int64_t rate = 4;                  ///< [c] steps that become one compressed memory
  std::string compression = "mean";  ///< mean, or convolution: a learned map of the c steps, which starts as the mean
  double reconstruction_weight = 0;  ///< of the attention-reconstruction loss; with convolution only

  void Visit(OptionVisitor& visit) override;
  void Check() const override;
  std::shared_ptr<Core> MakeBody() const override;
  CompressiveShape Shape() const { return {layers, dim, memory_length, slots, rate}; }
};

/// Compressive Transformer: the last L steps as they are, and the C groups of c steps before them, each as one memory.
///
/// A step sees ages 1..L, the group that contains age L (complete, since c <= L) and the C groups before it, all of its
/// episode. Groups are counted from the episode's first step, so nothing depends on the block length. A learned key
/// belongs to each place: column C - d to the d-th last group, column C + 1 + n - a to age a, n the ages with a key.
///
/// Reconstruction loss, per layer: mean squared difference of what the block's steps would read, by content alone, from
/// the groups made in this block and from the steps that they stand for. Its gradients reach the compression only;
/// those of y reach it by way of groups made in the block. Source: arXiv:1911.05507. Differs: one key per place (as in
/// arXiv:2105.06548); any block length; the task's loss trains the compression too.
class Compressive : public Core {
 public:
  /// Errors: std::invalid_argument naming the option, its value and the allowed range.
  explicit Compressive(const CompressiveOptions& options);

  int64_t dim() const override { return options_.dim; }
  StatePtr Start(int64_t rows) const override;
  BlockOutput Forward(const torch::Tensor& x, const torch::Tensor& episode_start, const StatePtr& state,
                      int64_t lookahead = 0, bool want_state = false, uint64_t noise = 0,
                      const Between& between = {}) const override;
  std::unique_ptr<Stepper> Begin(const StatePtr& state, int64_t steps, Between between = {}) const override;
  StatePtr Restore(const TensorMap& saved) const override;
  StatePtr Gather(const StatePtr& state, const std::vector<int64_t>& rows) const override;
  Flops CountFlops(int64_t block, double living) const override;

  struct LayerPass {
    torch::Tensor attention;  ///< [B, T, H] after the out projection
    torch::Tensor y;          ///< [B, T, H]
    torch::Tensor weights;    ///< [B, heads, T, C + 1 + L] by place: groups, then ages L..1
  };
  /// Forward, with the layers' details in `passes`.
  BlockOutput ForwardTraced(const torch::Tensor& x, const torch::Tensor& episode_start, const StatePtr& state,
                            int64_t lookahead, bool want_state, std::vector<LayerPass>* passes, uint64_t noise = 0,
                            const Between& between = {}) const;

  const CompressiveOptions& options() const { return options_; }
  const TransformerStack& stack() const { return stack_; }
  const std::vector<TransformerLayer>& layers() const { return stack_.layers(); }
  const torch::Tensor& position_keys() const {
    return position_keys_;
  }  ///< [1, D, C + 1 + n]; none with rotary positions
  /// [H, c H] of each layer, with convolution.
  const std::vector<torch::Tensor>& compression() const { return compression_; }

 private:
  struct Pass;
  friend class CompressiveStepper;

  /// Which of a block's queries sees which memory, and at which place. Times count from the block's first step.
  struct View {
    torch::Tensor seen;   ///< [B, T, N] bool
    torch::Tensor place;  ///< [B, T, N] i64: 0..C + L
  };
  /// slot_time [B, S], step_time [B, R]: kNever where there is nothing; query_time [T]; begin [B, T]: of their
  /// episodes.
  View See(const torch::Tensor& slot_time, const torch::Tensor& step_time, const torch::Tensor& query_time,
           const torch::Tensor& begin) const;
  /// Keys and values [B, N, KD] of layer inputs at `time` [B, N].
  std::pair<torch::Tensor, torch::Tensor> KeysAndValues(const TransformerLayer& layer, const torch::Tensor& hidden,
                                                        const torch::Tensor& time) const;
  torch::Tensor Queries(const TransformerLayer& layer, const torch::Tensor& x, const torch::Tensor& time) const;
  /// q [B, T, KD] -> [B, T, KD]; weights [B, heads, T, N] if asked for.
  torch::Tensor Attend(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v, const View& view,
                       Noise& noise, torch::Tensor* weights = nullptr) const;
  /// Groups [..., c, H] -> [..., H].
  torch::Tensor Compress(size_t layer, const torch::Tensor& groups) const;
  /// Places of groups in time: of the middle step.
  torch::Tensor MiddleTime(const torch::Tensor& slot_time) const;
  torch::Tensor Reconstruction(size_t layer, const torch::Tensor& x, const torch::Tensor& groups,
                               const torch::Tensor& exists) const;
  torch::Tensor RunLayer(size_t layer, const torch::Tensor& x, Pass& pass) const;
  /// The state of a layer after `steps` steps of a block, the last one's episode having begun at `start` [B].
  /// all_steps [B, L + T, H]; slots [B, S, H] at slot_time [B, S].
  CompressiveState::Layer After(const torch::Tensor& all_steps, const torch::Tensor& slots,
                                const torch::Tensor& slot_time, const torch::Tensor& start, int64_t steps) const;
  /// Times of a state's slots and steps, [B, C + 1] and [B, L].
  torch::Tensor StoredSlotTimes(const CompressiveState& state) const;
  torch::Tensor StoredStepTimes(const CompressiveState& state) const;
  torch::TensorOptions StateOptions() const { return position_keys_.options().requires_grad(false); }

  const CompressiveOptions options_;
  TransformerStack stack_;
  torch::Tensor position_keys_;
  std::vector<torch::Tensor> compression_;
};

}  // namespace lethe::memory
