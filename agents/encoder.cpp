#include "agents/encoder.h"

#include <cmath>
#include <map>

#include "memory/kernels/rows.h"

namespace lethe::agents {

namespace {

using torch::Tensor;

struct EncodeTokens : torch::autograd::Function<EncodeTokens> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& table, const Tensor& bias,
                        const Tensor& observations, const Tensor& offsets) {
    const int64_t steps = observations.size(0), rows = observations.size(1), tokens = observations.size(2),
                  dim = table.size(1);
    Tensor y = torch::empty({rows, steps, dim}, table.options());
    // [steps, rows] of observations become [rows, steps] of vectors.
    for (int64_t t = 0; t < steps; ++t)
      memory::SelectRowKernels().embed({rows, tokens, dim, table.const_data_ptr<float>(), bias.const_data_ptr<float>(),
                                        offsets.const_data_ptr<int64_t>(),
                                        observations.const_data_ptr<uint8_t>() + t * rows * tokens,
                                        y.data_ptr<float>() + t * dim, steps * dim});
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
    for (int64_t t = 0; t < steps; ++t)
      memory::SelectRowKernels().embed_grad(
          {rows, tokens, dim, grad.const_data_ptr<float>() + t * dim, steps * dim, saved[2].const_data_ptr<int64_t>(),
           observations.const_data_ptr<uint8_t>() + t * rows * tokens, grad_table.data_ptr<float>()});
    return {grad_table, grad.flatten(0, 1).sum(0), Tensor(), Tensor()};
  }
};

}  // namespace

TokenEncoder::TokenEncoder(const std::vector<int>& vocabularies, int64_t dim) {
  std::map<int, int64_t> alike;
  for (const int vocabulary : vocabularies) ++alike[vocabulary];
  int64_t words = 0;
  std::vector<int64_t> offsets;
  std::vector<float> scales;
  for (const int vocabulary : vocabularies) {
    offsets.push_back(words), words += vocabulary;
    const auto sharing = static_cast<double>(alike[vocabulary] * static_cast<int64_t>(alike.size()));
    scales.insert(scales.end(), static_cast<size_t>(vocabulary), static_cast<float>(1 / std::sqrt(sharing)));
  }
  offsets_ = torch::tensor(offsets, torch::kLong);
  table_ = register_parameter("table", torch::randn({words, dim}) * torch::tensor(scales).unsqueeze(1));
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
