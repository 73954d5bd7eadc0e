#include "memory/norm.h"

#include <optional>

#include "memory/check.h"
#include "memory/kernels/rows.h"
#include "memory/torch.h"

namespace lethe::memory {

namespace {

using torch::Tensor;

struct NormFunction : torch::autograd::Function<NormFunction> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x, const Tensor& weight,
                        const Tensor& bias, const std::optional<Tensor>& part) {
    const Tensor rows = x.contiguous(), more = part ? part->contiguous() : Tensor(), scale = weight.contiguous(),
                 offset = bias.contiguous();
    const int64_t cols = x.size(-1), count = cols > 0 ? x.numel() / cols : 0;
    Tensor y = torch::empty(rows.sizes(), rows.options()), normal = torch::empty(rows.sizes(), rows.options()),
           inverse = torch::empty({count}, rows.options());
    SelectRowKernels().norm({count, cols, rows.const_data_ptr<float>(), part ? more.const_data_ptr<float>() : nullptr,
                             scale.const_data_ptr<float>(), offset.const_data_ptr<float>(), y.data_ptr<float>(),
                             normal.data_ptr<float>(), inverse.data_ptr<float>()});
    context->save_for_backward({normal, inverse, scale});
    context->saved_data["has_part"] = part.has_value();
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const auto saved = context->get_saved_variables();
    const Tensor grad = grads[0].contiguous();
    const Tensor &normal = saved[0], &inverse = saved[1], &weight = saved[2];
    Tensor grad_z = torch::empty(normal.sizes(), normal.options()), grad_weight = torch::empty_like(weight),
           grad_bias = torch::empty_like(weight);
    SelectRowKernels().norm_grad({inverse.numel(), weight.numel(), grad.const_data_ptr<float>(),
                                  normal.const_data_ptr<float>(), inverse.const_data_ptr<float>(),
                                  weight.const_data_ptr<float>(), grad_z.data_ptr<float>(),
                                  grad_weight.data_ptr<float>(), grad_bias.data_ptr<float>()});
    return {grad_z, grad_weight, grad_bias, context->saved_data["has_part"].toBool() ? grad_z : Tensor()};
  }
};

}  // namespace

Tensor Norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& part) {
  Check(x.dim() >= 1 && weight.dim() == 1 && x.size(-1) == weight.size(0) && bias.sizes() == weight.sizes(), "norm: x ",
        x.sizes(), " does not fit a weight ", weight.sizes(), " and a bias ", bias.sizes());
  Check(!part.defined() || (part.sizes() == x.sizes() && part.dtype() == x.dtype()), "norm: x ", x.sizes(), " of ",
        x.dtype(), " and what is added to it ", part.defined() ? part.sizes() : x.sizes(), " of ",
        part.defined() ? part.dtype() : x.dtype(), " do not fit");
  if (x.is_cpu() && x.scalar_type() == torch::kFloat && weight.scalar_type() == torch::kFloat)
    return NormFunction::apply(x, weight, bias, part.defined() ? std::optional(part) : std::nullopt);
  return torch::layer_norm(part.defined() ? x + part : x, {x.size(-1)}, weight, bias, 1e-5);
}

}  // namespace lethe::memory
