#pragma once

#include <memory>
#include <string>
#include <vector>

#include "memory/core_options.h"
#include "memory/noise.h"
#include "memory/torch.h"

namespace lethe::memory {

/// What all transformer cores share. Letters of the paper in brackets.
struct TransformerOptions : CoreOptions {
  int64_t layers = 2;
  int64_t heads = 4;     ///< [K]
  int64_t head_dim = 0;  ///< [D]; 0: dim / heads. heads * head_dim need not be dim
  int64_t ffn = 256;     ///< [F]
  std::string position =
      "learned";               ///< learned: a key for each of the nearest ages, as published; rotary: angles by age
  int64_t positions = 0;       ///< [M] nearest ages with a learned key; 0: what the core says
  bool pre_norm = false;       ///< normalise before each part instead of after
  bool gates = false;          ///< GTrXL (arXiv:1910.06764): a GRU gate in place of each residual sum
  double dropout = 0;          ///< of attention weights and of the feed-forward part's hidden units, in training
  double layer_drop = 0;       ///< probability that training skips a layer; its memories live on
  std::string front = "none";  ///< or gru, lstm: a recurrent cell before the layers (recurrent_front.h)
  /// The published algorithm where it differs from ours: zero vectors at the start, 1e-8 in the denominator, memories
  /// dropped as published. Episode starts inside a block are refused. Not an option for users: the vectors need it.
  bool published = false;

  void Visit(OptionVisitor& visit) override;
  void Check() const override;
  /// What MakeBody makes, behind the front that the options name.
  std::shared_ptr<Core> Make() const final;
  /// Errors: as Check.
  virtual std::shared_ptr<Core> MakeBody() const = 0;
  int64_t Gaps() const override { return layers - 1; }
  int64_t HeadDim() const { return head_dim > 0 ? head_dim : dim / heads; }
};

/// GTrXL's gate: r = s(Wr y + Ur x), z = s(Wz y + Uz x - b), h = tanh(Wg y + Ug (r x)), out = (1 - z) x + z h.
struct Gate {
  torch::Tensor input;      ///< [3H, H]: Wr, Wz, Wg
  torch::Tensor stream;     ///< [2H, H]: Ur, Uz
  torch::Tensor candidate;  ///< [H, H]: Ug
  torch::Tensor bias;       ///< [H]: starts at 2, near the identity
};

/// Parameters of one layer. Undefined where the options or the core do without.
struct TransformerLayer {
  torch::Tensor query, key_value, out;                 ///< [KD, H], [2 KD, H], [H, KD]
  torch::Tensor ff1, ff1_bias, ff2, ff2_bias;          ///< [F, H], [F], [H, F], [H]
  torch::Tensor norm1, norm1_bias, norm2, norm2_bias;  ///< [H]
  Gate gate1, gate2;
  torch::Tensor span, span_bias;  ///< Expire-Span's predictor: [1, H], [1]
  torch::Tensor span_ratio;       ///< Adaptive-Span: [K] or [1], in [0, 1]
};

/// The layers of a transformer core and the norm behind the last: everything but what is attended to.
///
/// Post-norm: y = LN1(x + Wo A(x)), out = LN2(y + FF(y)). Pre-norm: y = x + Wo A(LN1 x), out = y + FF(LN2 y), and a
/// final norm. With gates the sums are gates, and the parts pass a ReLU first. FF = ff2(relu(ff1)).
class TransformerStack {
 public:
  /// Registers layers.l.query, ... and out_norm with the core that owns it.
  TransformerStack(torch::nn::Module& owner, const TransformerOptions& options);

  const std::vector<TransformerLayer>& layers() const { return layers_; }
  std::vector<TransformerLayer>& layers() { return layers_; }
  /// Adds a parameter of the core's own to a layer.
  torch::Tensor Add(size_t layer, const std::string& name, torch::Tensor start);

  /// A layer's attention input: LN1 of x with pre-norm, x itself with post-norm.
  torch::Tensor AttentionInput(const TransformerLayer& layer, const torch::Tensor& x) const;
  /// The rest of a layer behind attention. attended [..., KD]; projected, if asked for: after the out projection.
  torch::Tensor FinishLayer(const TransformerLayer& layer, const torch::Tensor& x, const torch::Tensor& attended,
                            Noise& noise, torch::Tensor* projected = nullptr) const;
  /// Final norm of pre-norm; identity otherwise.
  torch::Tensor FinishStack(const torch::Tensor& x) const;

  const torch::Tensor& out_norm() const { return out_norm_; }  ///< [H], pre-norm only
  const torch::Tensor& out_norm_bias() const { return out_norm_bias_; }
  /// Multiply-adds of one step, twice, without attention and without keys and values of what was remembered before.
  double LinearFlops() const;

 private:
  Gate MakeGate(torch::nn::Module& module, const std::string& name) const;
  torch::Tensor Join(const Gate& gate, const torch::Tensor& x, const torch::Tensor& part) const;
  torch::Tensor JoinAndNorm(const Gate& gate, const torch::Tensor& x, const torch::Tensor& part,
                            const torch::Tensor& weight, const torch::Tensor& bias) const;

  const int64_t dim_, width_, ffn_;
  const bool pre_norm_, gates_;
  const double dropout_;
  std::vector<TransformerLayer> layers_;
  std::vector<std::shared_ptr<torch::nn::Module>> modules_;
  torch::Tensor out_norm_, out_norm_bias_;
};

/// Rotates halves of every head by time * 10000^(-2i/D), so that products depend on ages alone (arXiv:2104.09864).
/// x [..., K], time [...] i64 of the same leading shape, or one that broadcasts: angles are taken in double.
torch::Tensor Rotate(const torch::Tensor& x, const torch::Tensor& time, int64_t head_dim);

/// Uniform in +-1/sqrt(fan in), the usual start of linear layers: [out, in].
torch::Tensor LinearStart(int64_t out, int64_t in);

}  // namespace lethe::memory
