#include "memory/lstm.h"

#include <ATen/Dispatch.h>

#include "memory/registry.h"

namespace lethe::memory {

namespace {

using torch::Tensor;
using torch::autograd::variable_list;

/// c' = f c + i g, c being 0 where keep is.
template <class T>
void Carry(int64_t rows, int64_t dim, const T* gates, const T* keep, const T* before, T* c) {
  for (int64_t row = 0; row < rows; ++row, gates += 4 * dim, before += dim, c += dim)
    for (int64_t i = 0; i < dim; ++i) c[i] = gates[dim + i] * (keep[row] * before[i]) + gates[i] * gates[3 * dim + i];
}

template <class T>
void Output(int64_t rows, int64_t dim, const T* gates, const T* tanh_c, T* h) {
  for (int64_t row = 0; row < rows; ++row, gates += 4 * dim, tanh_c += dim, h += dim)
    for (int64_t i = 0; i < dim; ++i) h[i] = gates[2 * dim + i] * tanh_c[i];
}

/// dh and dc -> gradients of the sums in front of the gates; dc becomes that of the c before.
template <class T>
void Backward(int64_t rows, int64_t dim, const T* gates, const T* tanh_c, const T* keep, const T* before, const T* dh,
              T* dc, T* d_sums) {
  for (int64_t row = 0; row < rows; ++row) {
    const T *in = gates + 4 * dim * row, *forget = in + dim, *out = forget + dim, *g = out + dim;
    T* d = d_sums + 4 * dim * row;
    for (int64_t i = 0, at = row * dim; i < dim; ++i, ++at) {
      const T d_c = dc[at] + dh[at] * out[i] * (1 - tanh_c[at] * tanh_c[at]);
      d[i] = d_c * g[i] * in[i] * (1 - in[i]);
      d[dim + i] = d_c * (keep[row] * before[at]) * forget[i] * (1 - forget[i]);
      d[2 * dim + i] = dh[at] * tanh_c[at] * out[i] * (1 - out[i]);
      d[3 * dim + i] = d_c * in[i] * (1 - g[i] * g[i]);
      dc[at] = keep[row] * d_c * forget[i];
    }
  }
}

/// The whole block at once, gates kept for the way back.
struct LstmFunction : torch::autograd::Function<LstmFunction> {
  static variable_list forward(torch::autograd::AutogradContext* context, const Tensor& inputs, const Tensor& start_h,
                               const Tensor& start_c, const Tensor& weight, const Tensor& keep) {
    const int64_t steps = inputs.size(0), rows = inputs.size(1), dim = start_h.size(1);
    const Tensor to_gates = weight.t();
    Tensor gates = torch::empty(inputs.sizes(), inputs.options()),
           before = torch::empty({steps, rows, dim}, inputs.options());
    Tensor h = torch::empty_like(before), tanh_c = torch::empty_like(before),
           c = torch::empty({steps + 1, rows, dim}, inputs.options());
    c[0].copy_(start_c);
    for (int64_t t = 0; t < steps; ++t) {
      Tensor kept = before[t], gates_now = gates[t], c_now = c[t + 1], tanh_now = tanh_c[t];
      torch::mul_out(kept, t == 0 ? start_h : h[t - 1], keep[t]);
      torch::addmm_out(gates_now, inputs[t], kept, to_gates);
      Tensor in_forget_out = gates_now.slice(1, 0, 3 * dim), candidate = gates_now.slice(1, 3 * dim);
      in_forget_out.sigmoid_(), candidate.tanh_();
      AT_DISPATCH_FLOATING_TYPES(inputs.scalar_type(), "lstm", [&] {
        const auto* g = gates_now.const_data_ptr<scalar_t>();
        Carry(rows, dim, g, keep[t].const_data_ptr<scalar_t>(), c[t].const_data_ptr<scalar_t>(),
              c_now.data_ptr<scalar_t>());
        torch::tanh_out(tanh_now, c_now);
        Output(rows, dim, g, tanh_now.const_data_ptr<scalar_t>(), h[t].data_ptr<scalar_t>());
      });
    }
    context->save_for_backward({gates, tanh_c, c, before, weight, keep});
    const Tensor after = c.slice(0, 1);
    context->mark_non_differentiable({after});
    return {h, after};
  }

  static variable_list backward(torch::autograd::AutogradContext* context, variable_list grads) {
    const auto saved = context->get_saved_variables();
    const Tensor &gates = saved[0], &tanh_c = saved[1], &c = saved[2], &before = saved[3], &weight = saved[4],
                 &keep = saved[5];
    const int64_t steps = gates.size(0), rows = gates.size(1), dim = before.size(2);
    const Tensor grad = grads[0].contiguous();
    Tensor d_sums = torch::empty_like(gates), dh = torch::zeros_like(before[0]), dc = torch::zeros_like(dh);
    for (int64_t t = steps - 1; t >= 0; --t) {
      dh.add_(grad[t]);
      AT_DISPATCH_FLOATING_TYPES(gates.scalar_type(), "lstm_backward", [&] {
        Backward(rows, dim, gates[t].const_data_ptr<scalar_t>(), tanh_c[t].const_data_ptr<scalar_t>(),
                 keep[t].const_data_ptr<scalar_t>(), c[t].const_data_ptr<scalar_t>(), dh.const_data_ptr<scalar_t>(),
                 dc.data_ptr<scalar_t>(), d_sums[t].data_ptr<scalar_t>());
      });
      torch::mm_out(dh, d_sums[t], weight).mul_(keep[t]);
    }
    const Tensor all = d_sums.view({steps * rows, 4 * dim});
    return {d_sums, dh, dc, torch::mm(all.t(), before.view({steps * rows, dim})), Tensor()};
  }
};

}  // namespace

std::shared_ptr<Core> LstmOptions::Make() const { return std::make_shared<Lstm>(*this); }

Lstm::Lstm(const LstmOptions& o) : RecurrentCore(std::make_shared<LstmOptions>(o), 4, {"hidden", "cell"}, false) {
  const torch::NoGradGuard no_grad;
  for (const Layer& layer : layers()) Tensor(layer.input_bias).slice(0, o.dim, 2 * o.dim).fill_(1);
}

std::vector<Tensor> Lstm::Run(const Layer& layer, const Tensor& inputs, const Tensor& keep,
                              const std::vector<Tensor>& before) const {
  if (!inputs.is_cpu()) return RunPlain(layer, inputs, keep, before);
  return LstmFunction::apply(inputs, before[0], before[1], layer.hidden, keep);
}

std::vector<Tensor> Lstm::Cell(const Layer& layer, const Tensor& inputs, const std::vector<Tensor>& before) const {
  const auto gates = (inputs + torch::linear(before[0], layer.hidden)).chunk(4, 1);
  const Tensor c = torch::sigmoid(gates[1]) * before[1] + torch::sigmoid(gates[0]) * torch::tanh(gates[3]);
  return {torch::sigmoid(gates[2]) * torch::tanh(c), c};
}

LETHE_REGISTER_CORE("lstm", LstmOptions, "LSTM: long short-term memory of fixed size");

}  // namespace lethe::memory
