#include "memory/linear.h"

#include <ATen/Parallel.h>

#include <optional>

#include "memory/check.h"
#include "memory/kernels/matrix_product.h"
#include "memory/kernels/rows.h"
#include "memory/scratch.h"
#include "memory/torch.h"

namespace lethe::memory {

namespace {

using torch::Tensor;

/// C = A B of matrices with any strides; C is new and contiguous.
Tensor Product(const Tensor& a, const Tensor& b, const float* bias = nullptr, bool relu = false) {
  Tensor c = torch::empty({a.size(0), b.size(1)}, a.options());
  const MatrixProductArgs args{a.size(0),
                               b.size(1),
                               a.size(1),
                               a.const_data_ptr<float>(),
                               a.stride(0),
                               a.stride(1),
                               b.const_data_ptr<float>(),
                               b.stride(0),
                               b.stride(1),
                               c.data_ptr<float>(),
                               c.size(1),
                               bias,
                               relu};
  const auto& kernel = SelectMatrixProduct();
  const int64_t panels = (args.cols + kPanelColumns - 1) / kPanelColumns;
  at::parallel_for(0, panels, 1,
                   [&](int64_t first, int64_t end) { kernel.run(args, first, end, Scratch(kProductScratchBytes)); });
  return c;
}

struct LinearFunction : torch::autograd::Function<LinearFunction> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x, const Tensor& weight,
                        const std::optional<Tensor>& bias, bool relu) {
    const Tensor rows = x.reshape({-1, x.size(-1)}), offset = bias ? bias->contiguous() : Tensor();
    const Tensor y = Product(rows, weight.t(), bias ? offset.const_data_ptr<float>() : nullptr, relu);
    context->save_for_backward({rows, weight, relu ? y : Tensor()});
    context->saved_data["sizes"] = x.sizes().vec();
    context->saved_data["has_bias"] = bias.has_value();
    auto sizes = x.sizes().vec();
    sizes.back() = weight.size(0);
    return y.view(sizes);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &weight = saved[1];
    Tensor grad = grads[0].reshape({-1, weight.size(0)}).contiguous();
    torch::autograd::variable_list result(4);
    const bool wants_bias = context->saved_data["has_bias"].toBool() && context->needs_input_grad(2);
    const bool is_clamped = saved[2].defined();
    if (wants_bias || is_clamped) {
      const Tensor masked = is_clamped ? torch::empty(grad.sizes(), grad.options()) : Tensor();
      if (wants_bias) result[2] = torch::empty({grad.size(1)}, grad.options());
      SelectRowKernels().bias_grad({grad.size(0), grad.size(1), grad.const_data_ptr<float>(),
                                    is_clamped ? saved[2].const_data_ptr<float>() : nullptr,
                                    is_clamped ? masked.data_ptr<float>() : nullptr,
                                    wants_bias ? result[2].data_ptr<float>() : nullptr});
      if (is_clamped) grad = masked;
    }
    if (context->needs_input_grad(0))
      result[0] = Product(grad, weight).view(context->saved_data["sizes"].toIntVector());
    // The narrower of the two is walked down its columns.
    if (context->needs_input_grad(1))
      result[1] = x.size(1) <= grad.size(1) ? Product(x.t(), grad).t() : Product(grad.t(), x);
    return result;
  }
};

}  // namespace

Tensor Linear(const Tensor& x, const Tensor& weight, const Tensor& bias, bool relu) {
  Check(weight.dim() == 2 && x.dim() >= 1 && x.size(-1) == weight.size(1) && x.dtype() == weight.dtype(), "linear: x ",
        x.sizes(), " of ", x.dtype(), " does not fit a weight ", weight.sizes(), " of ", weight.dtype());
  Check(!bias.defined() || (bias.dim() == 1 && bias.size(0) == weight.size(0)),
        "linear: the bias does not fit a weight ", weight.sizes());
  if (x.is_cpu() && x.scalar_type() == torch::kFloat)
    return LinearFunction::apply(x, weight, bias.defined() ? std::optional(bias) : std::nullopt, relu);
  const Tensor y = torch::linear(x, weight, bias);
  return relu ? torch::relu(y) : y;
}

}  // namespace lethe::memory
