#include "memory/norm.h"

#include <optional>

#include "memory/check.h"
#include "memory/kernels/rows.h"
#include "memory/torch.h"

namespace lethe::memory {

namespace {

using torch::Tensor;

void Run(const NormArgs<float>& a) { SelectRowKernels().norm(a); }
void Run(const NormArgs<BFloat16>& a) { SelectRowKernels().norm_bfloat16(a); }
void Run(const NormGradArgs<float>& a) { SelectRowKernels().norm_grad(a); }
void Run(const NormGradArgs<BFloat16>& a) { SelectRowKernels().norm_grad_bfloat16(a); }

template <class S>
S* Data(const Tensor& x) {
  return x.defined() ? static_cast<S*>(x.data_ptr()) : nullptr;
}

/// run(S{}) with the type that x is stored in.
template <class F>
void ByType(const Tensor& x, F run) {
  if (x.scalar_type() == torch::kFloat) return run(float{});
  run(BFloat16{});
}

struct NormFunction : torch::autograd::Function<NormFunction> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x, const Tensor& weight,
                        const Tensor& bias, const std::optional<Tensor>& part) {
    const Tensor rows = x.contiguous(), more = part ? part->contiguous() : Tensor(), scale = weight.contiguous(),
                 offset = bias.contiguous();
    const int64_t cols = x.size(-1), count = cols > 0 ? x.numel() / cols : 0;
    const Tensor y = torch::empty(rows.sizes(), rows.options()), normal = torch::empty(rows.sizes(), rows.options()),
                 inverse = torch::empty({count}, rows.options().dtype(torch::kFloat));
    ByType(x, [&](auto type) {
      using S = decltype(type);
      Run(NormArgs<S>{count, cols, Data<S>(rows), Data<S>(more), Data<S>(scale), Data<S>(offset), Data<S>(y),
                      Data<S>(normal), Data<float>(inverse)});
    });
    context->save_for_backward({normal, inverse, scale});
    context->saved_data["has_part"] = part.has_value();
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const auto saved = context->get_saved_variables();
    const Tensor grad = grads[0].contiguous();
    const Tensor &normal = saved[0], &inverse = saved[1], &weight = saved[2];
    const Tensor grad_z = torch::empty(normal.sizes(), normal.options()),
                 grad_weight = torch::empty(weight.sizes(), inverse.options()),
                 grad_bias = torch::empty(weight.sizes(), inverse.options());
    ByType(grad, [&](auto type) {
      using S = decltype(type);
      Run(NormGradArgs<S>{inverse.numel(), weight.numel(), Data<S>(grad), Data<S>(normal), Data<float>(inverse),
                          Data<S>(weight), Data<S>(grad_z), Data<float>(grad_weight), Data<float>(grad_bias)});
    });
    return {grad_z, grad_weight.to(weight.dtype()), grad_bias.to(weight.dtype()),
            context->saved_data["has_part"].toBool() ? grad_z : Tensor()};
  }
};

}  // namespace

Tensor Norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& part) {
  Check(x.dim() >= 1 && weight.dim() == 1 && x.size(-1) == weight.size(0) && bias.sizes() == weight.sizes(), "norm: x ",
        x.sizes(), " does not fit a weight ", weight.sizes(), " and a bias ", bias.sizes());
  Check(!part.defined() || (part.sizes() == x.sizes() && part.dtype() == x.dtype()), "norm: x ", x.sizes(), " of ",
        x.dtype(), " and what is added to it ", part.defined() ? part.sizes() : x.sizes(), " of ",
        part.defined() ? part.dtype() : x.dtype(), " do not fit");
  const auto dtype = x.scalar_type();
  if (x.is_cpu() && (dtype == torch::kFloat || dtype == torch::kBFloat16) && weight.scalar_type() == dtype)
    return NormFunction::apply(x, weight, bias, part.defined() ? std::optional(part) : std::nullopt);
  return torch::layer_norm(part.defined() ? x + part : x, {x.size(-1)}, weight, bias, 1e-5);
}

}  // namespace lethe::memory
