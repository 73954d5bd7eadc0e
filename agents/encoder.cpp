#include "agents/encoder.h"

#include <cmath>

namespace lethe::agents {

namespace {

using torch::Tensor;

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define LETHE_FOR_EVERY_VECTOR_WIDTH __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define LETHE_FOR_EVERY_VECTOR_WIDTH
#endif

/// Row of the table for token j of an observation.
inline int64_t Word(const int64_t* offsets, const uint8_t* tokens, int64_t j) { return offsets[j] + tokens[j]; }

/// out [dim] = start + the words of one observation's tokens. Additions only: the same bits at any vector width.
LETHE_FOR_EVERY_VECTOR_WIDTH void AddWords(const float* words, const float* start, const int64_t* offsets,
                                           const uint8_t* observed, int64_t tokens, int64_t dim, float* out) {
  constexpr int64_t kColumns = 32;  // stay in registers while the tokens pass
  int64_t d = 0;
  for (; d + kColumns <= dim; d += kColumns) {
    float sum[kColumns];
    for (int64_t i = 0; i < kColumns; ++i) sum[i] = start[d + i];
    for (int64_t j = 0; j < tokens; ++j) {
      const float* word = words + Word(offsets, observed, j) * dim + d;
      for (int64_t i = 0; i < kColumns; ++i) sum[i] += word[i];
    }
    for (int64_t i = 0; i < kColumns; ++i) out[d + i] = sum[i];
  }
  for (; d < dim; ++d) {
    out[d] = start[d];
    for (int64_t j = 0; j < tokens; ++j) out[d] += words[Word(offsets, observed, j) * dim + d];
  }
}

LETHE_FOR_EVERY_VECTOR_WIDTH void AddToWords(const float* grad, const int64_t* offsets, const uint8_t* observed,
                                             int64_t tokens, int64_t dim, float* grad_words) {
  for (int64_t j = 0; j < tokens; ++j) {
    float* word = grad_words + Word(offsets, observed, j) * dim;
    for (int64_t d = 0; d < dim; ++d) word[d] += grad[d];
  }
}

struct EncodeTokens : torch::autograd::Function<EncodeTokens> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& table, const Tensor& bias,
                        const Tensor& observations, const Tensor& offsets) {
    const int64_t steps = observations.size(0), rows = observations.size(1), tokens = observations.size(2),
                  dim = table.size(1);
    Tensor y = torch::empty({rows, steps, dim}, table.options());
    const float* words = table.const_data_ptr<float>();
    const float* start = bias.const_data_ptr<float>();
    const int64_t* offset = offsets.const_data_ptr<int64_t>();
    for (int64_t n = 0; n < steps * rows; ++n) {
      const uint8_t* observed = observations.const_data_ptr<uint8_t>() + n * tokens;
      float* out = y.data_ptr<float>() + ((n % rows) * steps + n / rows) * dim;
      AddWords(words, start, offset, observed, tokens, dim, out);
    }
    context->save_for_backward({table, observations, offsets});
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const auto saved = context->get_saved_variables();
    const Tensor& observations = saved[1];
    const Tensor grad = grads[0].contiguous();
    const int64_t steps = observations.size(0), rows = observations.size(1), tokens = observations.size(2),
                  dim = grad.size(2);
    Tensor grad_table = torch::zeros_like(saved[0]);
    const int64_t* offset = saved[2].const_data_ptr<int64_t>();
    for (int64_t n = 0; n < steps * rows; ++n) {
      const uint8_t* observed = observations.const_data_ptr<uint8_t>() + n * tokens;
      const float* g = grad.const_data_ptr<float>() + ((n % rows) * steps + n / rows) * dim;
      AddToWords(g, offset, observed, tokens, dim, grad_table.data_ptr<float>());
    }
    return {grad_table, grad.flatten(0, 1).sum(0), Tensor(), Tensor()};
  }
};

}  // namespace

TokenEncoder::TokenEncoder(const std::vector<int>& vocabularies, int64_t dim) {
  int64_t words = 0;
  std::vector<int64_t> offsets;
  for (const int vocabulary : vocabularies) offsets.push_back(words), words += vocabulary;
  offsets_ = torch::tensor(offsets, torch::kLong);
  const double scale = 1 / std::sqrt(static_cast<double>(vocabularies.size()));
  table_ = register_parameter("table", torch::randn({words, dim}) * scale);
  bias_ = register_parameter("bias", torch::zeros({dim}));
}

Tensor TokenEncoder::Forward(const Tensor& observations) const {
  if (table_.is_cpu()) return EncodeTokens::apply(table_, bias_, observations, offsets_);
  const Tensor index = (observations.to(torch::kLong) + offsets_).to(table_.device());
  return table_.index_select(0, index.flatten())
             .view({index.size(0), index.size(1), index.size(2), -1})
             .sum(2)
             .transpose(0, 1) +
         bias_;
}

}  // namespace lethe::agents
