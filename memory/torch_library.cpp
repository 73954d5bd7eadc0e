// The operators as torch.ops.lethe.*: built into liblethe_ops.so, which torch.ops.load_library loads. See
// docs/operator.md.

#include <torch/library.h>

#include <limits>
#include <optional>
#include <tuple>

#include "memory/expire_attention.h"
#include "memory/torch.h"

namespace lethe::memory {

namespace {

using torch::Tensor;
using Outputs = std::tuple<Tensor, Tensor, Tensor, Tensor>;

BankView MakeBank(const Tensor& k, const Tensor& v, const Tensor& span, const Tensor& age, const Tensor& begin,
                  const Tensor& count) {
  const int64_t longest = count.numel() > 0 ? count.max().item<int64_t>() : 0;
  return {k, v, span, age, begin, count, std::max<int64_t>(longest, 0)};
}

double OrInfinite(std::optional<double> x) { return x.value_or(std::numeric_limits<double>::infinity()); }

Outputs Fused(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& span, const Tensor& episode_begin,
              const Tensor& bank_k, const Tensor& bank_v, const Tensor& bank_span, const Tensor& bank_age,
              const Tensor& bank_begin, const Tensor& bank_count, const Tensor& position_keys, int64_t heads,
              double ramp, double epsilon, std::optional<double> shorten, std::optional<double> window,
              double least_mask, double dropout, int64_t dropout_seed, bool want_weights) {
  const AttentionConstants constants{heads,
                                     ramp,
                                     epsilon,
                                     OrInfinite(shorten),
                                     OrInfinite(window),
                                     least_mask,
                                     dropout,
                                     static_cast<uint64_t>(dropout_seed)};
  const BankView bank = MakeBank(bank_k, bank_v, bank_span, bank_age, bank_begin, bank_count);
  const AttentionOutput a = ExpireAttention(q, k, v, span, episode_begin, bank, position_keys, constants, want_weights);
  return {a.out, a.ramp_sum, a.living, a.weights};
}

Outputs Dense(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& span, const Tensor& episode_begin,
              const Tensor& bank_k, const Tensor& bank_v, const Tensor& bank_span, const Tensor& bank_age,
              const Tensor& bank_begin, const Tensor& bank_count, const Tensor& position_keys, int64_t heads,
              double ramp, double epsilon, std::optional<double> shorten, std::optional<double> window,
              double least_mask) {
  const AttentionConstants constants{heads, ramp, epsilon, OrInfinite(shorten), OrInfinite(window), least_mask, 0, 0};
  const BankView bank = MakeBank(bank_k, bank_v, bank_span, bank_age, bank_begin, bank_count);
  const AttentionOutput a = ExpireAttentionDense(q, k, v, span, episode_begin, bank, position_keys, constants);
  return {a.out, a.ramp_sum, a.living, a.weights};
}

}  // namespace

/// Gradients are those of the C++ functions, which are autograd functions themselves.
TORCH_LIBRARY(lethe, library) {
  library.def(
      "expire_attention(Tensor q, Tensor k, Tensor v, Tensor span, Tensor episode_begin, Tensor bank_k, Tensor bank_v, "
      "Tensor bank_span, Tensor bank_age, Tensor bank_begin, Tensor bank_count, Tensor position_keys, *, int heads, "
      "float ramp, float epsilon=0., float? shorten=None, float? window=None, float least_mask=0., float dropout=0., "
      "int dropout_seed=0, bool want_weights=False) -> (Tensor out, Tensor ramp_sum, Tensor living, Tensor weights)",
      &Fused);
  library.def(
      "expire_attention_dense(Tensor q, Tensor k, Tensor v, Tensor span, Tensor episode_begin, Tensor bank_k, "
      "Tensor bank_v, Tensor bank_span, Tensor bank_age, Tensor bank_begin, Tensor bank_count, Tensor position_keys, "
      "*, int heads, float ramp, float epsilon=0., float? shorten=None, float? window=None, float least_mask=0.) -> "
      "(Tensor out, Tensor ramp_sum, Tensor living, Tensor weights)",
      &Dense);
}

}  // namespace lethe::memory
