#include "memory/gru.h"

#include <ATen/Dispatch.h>

#include "memory/registry.h"

namespace lethe::memory {

namespace {

using torch::Tensor;
using torch::autograd::variable_list;

/// Sums in front of the gates r and z; q = U_n h + b.
template <class T>
void AddGates(int64_t rows, int64_t dim, const T* inputs, const T* hidden, const T* bias, T* gates, T* q) {
  for (int64_t row = 0; row < rows; ++row, inputs += 3 * dim, hidden += 3 * dim, gates += 3 * dim, q += dim) {
    for (int64_t i = 0; i < 2 * dim; ++i) gates[i] = inputs[i] + hidden[i];
    for (int64_t i = 0; i < dim; ++i) q[i] = hidden[2 * dim + i] + bias[i];
  }
}

/// The sum in front of n.
template <class T>
void AddCandidate(int64_t rows, int64_t dim, const T* inputs, const T* q, T* gates) {
  for (int64_t row = 0; row < rows; ++row, inputs += 3 * dim, gates += 3 * dim, q += dim)
    for (int64_t i = 0; i < dim; ++i) gates[2 * dim + i] = inputs[2 * dim + i] + gates[i] * q[i];
}

template <class T>
void Mix(int64_t rows, int64_t dim, const T* gates, const T* before, T* h) {
  for (int64_t row = 0; row < rows; ++row, gates += 3 * dim, before += dim, h += dim)
    for (int64_t i = 0; i < dim; ++i) h[i] = gates[2 * dim + i] + gates[dim + i] * (before[i] - gates[2 * dim + i]);
}

/// dh -> gradients of the sums in front of the gates, by way of the inputs and of h; dh becomes that of h past the
/// gates.
template <class T>
void MixBackward(int64_t rows, int64_t dim, const T* gates, const T* q, const T* before, T* dh, T* d_inputs,
                 T* d_hidden) {
  for (int64_t row = 0; row < rows; ++row) {
    const T *r = gates + 3 * dim * row, *z = r + dim, *n = z + dim;
    T *inputs = d_inputs + 3 * dim * row, *hidden = d_hidden + 3 * dim * row;
    for (int64_t i = 0, at = row * dim; i < dim; ++i, ++at) {
      const T d_candidate = dh[at] * (1 - z[i]) * (1 - n[i] * n[i]);
      inputs[i] = hidden[i] = d_candidate * q[at] * r[i] * (1 - r[i]);
      inputs[dim + i] = hidden[dim + i] = dh[at] * (before[at] - n[i]) * z[i] * (1 - z[i]);
      inputs[2 * dim + i] = d_candidate;
      hidden[2 * dim + i] = d_candidate * r[i];
      dh[at] *= z[i];
    }
  }
}

/// The whole block at once, gates kept for the way back.
struct GruFunction : torch::autograd::Function<GruFunction> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& inputs, const Tensor& start,
                        const Tensor& weight, const Tensor& bias, const Tensor& keep) {
    const int64_t steps = inputs.size(0), rows = inputs.size(1), dim = start.size(1);
    const Tensor in = inputs.contiguous(), to_gates = weight.t();
    Tensor gates = torch::empty_like(in), q = torch::empty({steps, rows, dim}, in.options());
    Tensor before = torch::empty_like(q), h = torch::empty_like(q),
           hidden = torch::empty({rows, 3 * dim}, in.options());
    for (int64_t t = 0; t < steps; ++t) {
      Tensor kept = before[t], gates_now = gates[t];
      torch::mul_out(kept, t == 0 ? start : h[t - 1], keep[t]);
      torch::mm_out(hidden, kept, to_gates);
      Tensor reset_update = gates_now.slice(1, 0, 2 * dim), candidate = gates_now.slice(1, 2 * dim);
      AT_DISPATCH_FLOATING_TYPES(in.scalar_type(), "gru", [&] {
        const auto* x = in[t].const_data_ptr<scalar_t>();
        auto *g = gates_now.data_ptr<scalar_t>(), *q_now = q[t].data_ptr<scalar_t>();
        AddGates(rows, dim, x, hidden.const_data_ptr<scalar_t>(), bias.const_data_ptr<scalar_t>(), g, q_now);
        reset_update.sigmoid_();
        AddCandidate(rows, dim, x, q_now, g);
        candidate.tanh_();
        Mix(rows, dim, g, kept.const_data_ptr<scalar_t>(), h[t].data_ptr<scalar_t>());
      });
    }
    context->save_for_backward({gates, q, before, weight, keep});
    return h;
  }

  static variable_list backward(torch::autograd::AutogradContext* context, variable_list grads) {
    const auto saved = context->get_saved_variables();
    const Tensor &gates = saved[0], &q = saved[1], &before = saved[2], &weight = saved[3], &keep = saved[4];
    const int64_t steps = gates.size(0), rows = gates.size(1), dim = q.size(2);
    const Tensor grad = grads[0].contiguous();
    Tensor d_inputs = torch::empty_like(gates), d_hidden = torch::empty_like(gates), dh = torch::zeros_like(q[0]);
    for (int64_t t = steps - 1; t >= 0; --t) {
      dh.add_(grad[t]);
      AT_DISPATCH_FLOATING_TYPES(gates.scalar_type(), "gru_backward", [&] {
        MixBackward(rows, dim, gates[t].const_data_ptr<scalar_t>(), q[t].const_data_ptr<scalar_t>(),
                    before[t].const_data_ptr<scalar_t>(), dh.data_ptr<scalar_t>(), d_inputs[t].data_ptr<scalar_t>(),
                    d_hidden[t].data_ptr<scalar_t>());
      });
      dh.addmm_(d_hidden[t], weight).mul_(keep[t]);
    }
    const Tensor all = d_hidden.view({steps * rows, 3 * dim});
    return {d_inputs, dh, torch::mm(all.t(), before.view({steps * rows, dim})), all.slice(1, 2 * dim).sum(0), Tensor()};
  }
};

}  // namespace

std::shared_ptr<Core> GruOptions::Make() const { return std::make_shared<Gru>(*this); }

Gru::Gru(const GruOptions& o) : RecurrentCore(std::make_shared<GruOptions>(o), 3, {"hidden"}, true) {}

std::vector<Tensor> Gru::Run(const Layer& layer, const Tensor& inputs, const Tensor& keep,
                             const std::vector<Tensor>& before) const {
  if (!inputs.is_cpu()) return RunPlain(layer, inputs, keep, before);
  return {GruFunction::apply(inputs, before[0], layer.hidden, layer.hidden_bias, keep)};
}

std::vector<Tensor> Gru::Cell(const Layer& layer, const Tensor& inputs, const std::vector<Tensor>& before) const {
  const Tensor& h = before[0];
  const auto from_inputs = inputs.chunk(3, 1), from_hidden = torch::linear(h, layer.hidden).chunk(3, 1);
  const Tensor reset = torch::sigmoid(from_inputs[0] + from_hidden[0]),
               update = torch::sigmoid(from_inputs[1] + from_hidden[1]);
  const Tensor candidate = torch::tanh(from_inputs[2] + reset * (from_hidden[2] + layer.hidden_bias));
  return {(1 - update) * candidate + update * h};
}

LETHE_REGISTER_CORE("gru", GruOptions, "GRU: gated recurrent unit, a memory of fixed size");

}  // namespace lethe::memory
