#pragma once

#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "memory/torch.h"

namespace lethe::memory {

/// Named tensors of a saved state, in a stable order.
using TensorMap = std::map<std::string, torch::Tensor>;

/// What B rows remember between unrolls. Immutable: rollouts, actors and the learner share it by reference.
class State {
 public:
  virtual ~State() = default;
  virtual int64_t rows() const = 0;
  /// Stored memories of each layer, over all rows; and the bytes they take.
  virtual std::vector<int64_t> resident() const = 0;
  virtual int64_t bytes() const = 0;
  /// Logical form: per row, in order of time; independent of how memories are packed.
  virtual TensorMap Save() const = 0;
};
using StatePtr = std::shared_ptr<const State>;

/// Living memories (m > 0 for the present query, itself excluded) over the steps of one call, per layer.
struct LivingStats {
  std::vector<double> sum;  ///< over rows and steps
  std::vector<double> max;
  int64_t steps = 0;  ///< row-steps counted

  /// Over steps and layers; 0 where there are none.
  double Mean() const {
    double all = 0;
    for (const double layer : sum) all += layer;
    const auto count = static_cast<double>(steps) * static_cast<double>(sum.size());
    return count > 0 ? all / count : 0;
  }
};

struct BlockOutput {
  torch::Tensor y;  ///< [B, T, D]
  torch::Tensor
      span_mean;           ///< [layers] f64: mean over the block's new steps of what a charge counts, the span in steps
                           ///< or, on a logarithmic scale, L times the sigmoid; undefined without predicted spans
  torch::Tensor ramp_sum;  ///< [B] f64: remaining spans summed over pairs on the ramp and over layers (published
                           ///< charge); the same
  torch::Tensor aux_loss;  ///< scalar f64: a loss of the core's own, its weight included; undefined: none
  std::vector<torch::Tensor> spans;  ///< per layer [B, T] f64; empty for cores without predicted spans
  LivingStats living;                ///< empty for cores whose memory is not made of steps
  StatePtr state;                    ///< after the block; null unless asked for
};

/// Per layer, what one step saw: for the viewer and for tests. Cores without attention leave it empty.
struct Trace {
  struct Layer {
    torch::Tensor age;      ///< [B, N] i64, <= 0 where there is no memory
    torch::Tensor span;     ///< [B, N] f64
    torch::Tensor mask;     ///< [B, N] f64
    torch::Tensor weights;  ///< [B, heads, N]
  };
  std::vector<Layer> layers;
};

/// What a caller adds between the layers of a core: called with the number of a layer, never the last, and with what
/// comes out of it, [B, T, D] in Forward and [B, D] in Step. What it returns, of the same shape or undefined for
/// nothing, is added before the next layer reads and remembers it. Step equals block where it treats every step by
/// itself.
using Between = std::function<torch::Tensor(size_t layer, const torch::Tensor& y)>;

/// One unroll, step by step, without gradients: at most as many Step calls as Begin was told, then Finish.
class Stepper {
 public:
  virtual ~Stepper() = default;
  /// x [B, D], episode_start [B] (nonzero: this step is the first of an episode) -> y [B, D], valid until the next
  /// call.
  virtual torch::Tensor Step(const torch::Tensor& x, const uint8_t* episode_start, Trace* trace = nullptr) = 0;
  /// Living memories of the last step, per row; and the spans of the step itself. Empty for cores without spans.
  virtual std::vector<std::vector<int32_t>> Living() const = 0;
  virtual std::vector<std::vector<double>> Spans() const = 0;
  /// Drops what has expired and returns the state after the steps taken.
  virtual StatePtr Finish() = 0;
};

/// Counted arithmetic of one step of one row, forward: a multiply-add is two operations.
struct Flops {
  double step = 0;  ///< linear layers and attention
  double bank = 0;  ///< projections of what was remembered before the block, spread over the block's steps
};

/// A parameter that training has to keep in lowest .. highest.
struct BoundedParameter {
  torch::Tensor parameter;  ///< the core's own, not a copy
  double lowest, highest;
};

/// A memory: two faces of one function, Forward over a block with gradients and Step over time without.
/// T calls of Step give what one Forward gives (evaluation mode).
/// Threads: Forward of one core may run on several threads at once over different rows; parameters must not change
/// meanwhile.
class Core : public torch::nn::Module {
 public:
  /// Width of x and y.
  virtual int64_t dim() const = 0;
  /// The state of `rows` rows that remember nothing.
  virtual StatePtr Start(int64_t rows) const = 0;
  /// x [B, T, D], episode_start [B, T] u8 on the CPU. The last `lookahead` steps are seen but not remembered: they
  /// belong to the next block. Fills BlockOutput::state if `want_state`. `noise` decides what training draws at random
  /// (dropout, dropped layers, shortened spans); 0 is evaluation: nothing is.
  /// between: refused by cores whose options have no Gaps.
  /// Errors, as of all calls: std::invalid_argument naming shapes, types, devices, rows or values that do not fit.
  virtual BlockOutput Forward(const torch::Tensor& x, const torch::Tensor& episode_start, const StatePtr& state,
                              int64_t lookahead = 0, bool want_state = false, uint64_t noise = 0,
                              const Between& between = {}) const = 0;
  /// Starts an unroll of at most `steps` steps with the present parameters.
  virtual std::unique_ptr<Stepper> Begin(const StatePtr& state, int64_t steps, Between between = {}) const = 0;
  /// The inverse of State::Save. Errors: std::invalid_argument naming the tensor that does not fit.
  virtual StatePtr Restore(const TensorMap& saved) const = 0;
  /// Rows in the given order; -1 stands for a row that remembers nothing.
  virtual StatePtr Gather(const StatePtr& state, const std::vector<int64_t>& rows) const = 0;
  /// Parameters with bounds. Whoever trains them in an array of its own brings its values back into them after every
  /// update; ClampParameters does so in place.
  virtual std::vector<BoundedParameter> BoundedParameters() const { return {}; }
  void ClampParameters() {
    const torch::NoGradGuard no_grad;
    for (const auto& [parameter, lowest, highest] : BoundedParameters())
      torch::Tensor(parameter).clamp_(lowest, highest);
  }
  /// Every step predicts the same span again, this share of the limit: what was learnt about spans is lost.
  /// Errors: std::invalid_argument for a share that no predictor gives; std::logic_error for a core that predicts none.
  virtual void RestartSpans(double share_of_limit);
  /// Spans far below the limit become `factor` > 0 times as long, and none longer than the limit. Errors:
  /// std::logic_error for a core that cannot.
  virtual void StretchSpans(double factor);
  /// Spans above half the limit move towards it and shorter ones towards nothing, the more the larger `factor` > 1 is:
  /// whatever was kept long is kept as long as there is room. Errors: std::logic_error for a core that cannot.
  virtual void SharpenSpans(double factor);
  /// The core whose memories are shown, where it stands behind something else; else this one.
  virtual const Core& Body() const { return *this; }
  /// Of a step in blocks of `block` with `living` memories per layer.
  virtual Flops CountFlops(int64_t block, double living) const = 0;
};

inline void Core::RestartSpans(double) { throw std::logic_error("memory: this core predicts no spans"); }
inline void Core::SharpenSpans(double) { throw std::logic_error("memory: this core cannot sharpen spans"); }
inline void Core::StretchSpans(double) { throw std::logic_error("memory: this core cannot stretch spans"); }

}  // namespace lethe::memory
