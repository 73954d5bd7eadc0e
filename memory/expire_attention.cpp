#include "memory/expire_attention.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <stdexcept>
#include <utility>
#include <vector>

#include "memory/check.h"
#include "memory/kernels/expire_attention.h"
#include "memory/scratch.h"
#include "memory/torch.h"

namespace lethe::memory {

namespace {

using torch::Tensor;

void Check(bool ok, const char* what, const Tensor& got) {
  if (ok) return;
  std::ostringstream text;
  text << "expire-attention: " << what << ", got shape " << got.sizes() << " of " << got.dtype();
  throw std::invalid_argument(text.str());
}

/// The kernel follows these numbers into memory, so they are checked on every call.
void CheckRows(const BankView& bank) {
  const Tensor begins = bank.begin.contiguous(), counts = bank.count.contiguous(),
               spans = bank.span.detach().cpu().contiguous();
  const int64_t *begin = begins.const_data_ptr<int64_t>(), *count = counts.const_data_ptr<int64_t>();
  const double* span = spans.const_data_ptr<double>();
  const int64_t stored = bank.k.size(0);
  std::vector<std::pair<int64_t, int64_t>> ranges;
  for (int64_t row = 0; row < begins.numel(); ++row) {
    memory::Check(begin[row] >= 0 && count[row] >= 0 && begin[row] <= stored - count[row] && count[row] <= bank.longest,
                  "expire-attention: row ", row, " of the bank must lie within its ", stored,
                  " memories and not exceed bank.longest ", bank.longest, ", got begin ", begin[row], " and count ",
                  count[row]);
    for (int64_t i = begin[row]; i < begin[row] + count[row]; ++i)
      if (std::isnan(span[i]))
        throw NotFinite("expire-attention: bank.span of row " + std::to_string(row) +
                        " must be numbers, got NaN at memory " + std::to_string(i));
    if (count[row] > 0) ranges.emplace_back(begin[row], begin[row] + count[row]);
  }
  std::sort(ranges.begin(), ranges.end());
  for (size_t i = 1; i < ranges.size(); ++i)
    memory::Check(ranges[i].first >= ranges[i - 1].second,
                  "expire-attention: rows of the bank must not share memories, got two that hold memory ",
                  ranges[i].first);
}

/// Gradients would carry a NaN into every parameter; what made it is named while it is known. Reads x once, in sums
/// side by side that do not wait for each other.
template <class T>
void CheckFinite(const Tensor& x) {
  constexpr int64_t kSums = 32;
  T sums[kSums] = {};
  const T* values = x.const_data_ptr<T>();
  const int64_t size = x.numel(), whole = size / kSums * kSums;
  for (int64_t i = 0; i < whole; i += kSums)
    for (int64_t k = 0; k < kSums; ++k) sums[k] += static_cast<T>(values[i + k] * 0.0f);  // 0, or NaN
  for (int64_t i = whole; i < size; ++i) sums[0] += static_cast<T>(values[i] * 0.0f);
  if (!std::all_of(sums, sums + kSums, [](T sum) { return sum == 0; }))
    throw NotFinite(
        "expire-attention: q, position_keys, and the k and v of living memories must be finite; the output is not");
}

void CheckArguments(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& span, const Tensor& episode_begin,
                    const BankView& bank, const Tensor& position_keys, const AttentionConstants& c) {
  const auto dtype = q.scalar_type();
  Check(q.dim() == 3 && (dtype == torch::kFloat || dtype == torch::kDouble || dtype == torch::kBFloat16),
        "q must be [B, Tq, K] of float32, float64 or bfloat16", q);
  const int64_t rows = q.size(0), width = q.size(2);
  Check(c.heads > 0 && width % c.heads == 0, "the width of q must be a multiple of the heads", q);
  Check(k.dim() == 3 && k.size(0) == rows && k.size(2) == width && k.size(1) >= q.size(1) && k.dtype() == q.dtype(),
        "k must be [B, Tk >= Tq, K] like q", k);
  Check(v.sizes() == k.sizes() && v.dtype() == q.dtype(), "v must be shaped like k", v);
  Check(span.dim() == 2 && span.size(0) == rows && span.size(1) == k.size(1) && span.scalar_type() == torch::kDouble,
        "span must be [B, Tk] of float64", span);
  Check(episode_begin.sizes() == span.sizes() && episode_begin.scalar_type() == torch::kInt,
        "episode_begin must be [B, Tk] of int32", episode_begin);
  Check(bank.k.dim() == 2 && bank.k.size(1) == width && bank.k.dtype() == q.dtype(), "bank.k must be [N, K] like q",
        bank.k);
  Check(bank.v.sizes() == bank.k.sizes() && bank.v.dtype() == q.dtype(), "bank.v must be shaped like bank.k", bank.v);
  Check(bank.span.numel() == bank.k.size(0) && bank.span.scalar_type() == torch::kDouble,
        "bank.span must be [N] of float64", bank.span);
  Check(bank.age.numel() == bank.k.size(0) && bank.age.scalar_type() == torch::kLong, "bank.age must be [N] of int64",
        bank.age);
  if (span.isnan().any().item<bool>()) throw NotFinite("expire-attention: span must be numbers, not NaN");
  for (const Tensor& x : {k, v, bank.k, bank.v, position_keys})
    Check(x.device() == q.device(), "all must lie on the device of q", x);
  for (const Tensor& x : {bank.begin, bank.count})
    Check(x.numel() == rows && x.scalar_type() == torch::kLong && x.is_cpu(),
          "bank.begin and bank.count must be [B] of int64 on the CPU", x);
  CheckRows(bank);
  Check(position_keys.dim() == 2 && position_keys.size(0) == width / c.heads && position_keys.dtype() == q.dtype(),
        "position_keys must be [K / heads, M] like q", position_keys);
  if (!(c.ramp > 0)) throw std::invalid_argument("expire-attention: ramp must be > 0, got " + std::to_string(c.ramp));
}

/// The inner dimension must be contiguous; outer ones may be those of a view of a fused projection.
Tensor Rows(const Tensor& x) { return x.stride(-1) == 1 ? x : x.contiguous(); }

template <class T>
const T* Data(const Tensor& x) {
  return static_cast<const T*>(x.const_data_ptr());
}
template <class T>
T* MutableData(const Tensor& x) {
  return static_cast<T*>(x.data_ptr());
}

bool SameStrides(const Tensor& a, const Tensor& b) { return a.strides() == b.strides(); }

/// Everything that forward and backward share; holds the tensors that the pointers of Args look into.
struct Call {
  Tensor q, k, v, span, episode_begin, bank_k, bank_v, bank_span, bank_age, begin, count, position_keys;
  int64_t longest;
  AttentionConstants constants;

  template <class T>
  ExpireAttentionArgs<T> Args() const {
    ExpireAttentionArgs<T> a{};
    a.rows = q.size(0);
    a.queries = q.size(1);
    a.block_keys = k.size(1);
    a.heads = constants.heads;
    a.head_dim = q.size(2) / constants.heads;
    a.positions = position_keys.size(1);
    a.ramp = constants.ramp;
    a.epsilon = constants.epsilon;
    a.shorten = constants.shorten;
    a.window = constants.window;
    a.least_mask = constants.least_mask;
    a.dropout = constants.dropout;
    a.dropout_seed = constants.dropout_seed;
    a.q = Data<T>(q);
    a.k = Data<T>(k);
    a.v = Data<T>(v);
    a.q_row_stride = q.stride(0);
    a.q_stride = q.stride(1);
    a.kv_row_stride = k.stride(0);
    a.kv_stride = k.stride(1);
    a.span = span.const_data_ptr<double>();
    a.episode_begin = episode_begin.const_data_ptr<int32_t>();
    a.bank_k = Data<T>(bank_k);
    a.bank_v = Data<T>(bank_v);
    a.bank_stride = bank_k.stride(0);
    a.bank_span = bank_span.const_data_ptr<double>();
    a.bank_age = bank_age.const_data_ptr<int64_t>();
    a.bank_begin = begin.const_data_ptr<int64_t>();
    a.bank_count = count.const_data_ptr<int64_t>();
    a.position_keys = Data<T>(position_keys);
    return a;
  }
};

/// Calls run(first row, end, part) on parts of the rows, side by side. The parts do not depend on the number of
/// threads, so neither do sums over them.
constexpr int64_t kParts = 64;
int64_t Parts(int64_t rows) { return std::min(rows, kParts); }
template <class Run>
void ForRows(int64_t rows, Run run) {
  const int64_t parts = Parts(rows);
  at::parallel_for(0, parts, 1, [&](int64_t from, int64_t to) {
    for (int64_t part = from; part < to; ++part) run(rows * part / parts, rows * (part + 1) / parts, part);
  });
}

/// What the kernel is told in forward and gives to backward.
struct Saved {
  Tensor out, max_score, normaliser;
};

template <class T>
void RunForward(const Call& call, const Saved& saved, Tensor& ramp_sum, Tensor& living, const Tensor& weights) {
  using Real = ComputeType<T>;
  auto args = call.Args<T>();
  args.out = MutableData<T>(saved.out);
  args.max_score = saved.max_score.template data_ptr<Real>();
  args.normaliser = saved.normaliser.template data_ptr<Real>();
  args.ramp_sum = ramp_sum.data_ptr<double>();
  args.living = living.data_ptr<int32_t>();
  args.weights = weights.numel() > 0 ? MutableData<T>(weights) : nullptr;
  args.weights_stride = weights.size(3);
  const auto& kernels = SelectExpireAttention<T>();
  ForRows(args.rows, [&](int64_t first, int64_t end, int64_t) {
    kernels.forward(args, first, end, Scratch(kernels.scratch_bytes(args, call.longest + args.block_keys, false)));
  });
}

struct Gradients {
  Tensor q, k, v, span, bank_k, bank_v, bank_span, position_keys;
};

template <class T>
Gradients RunBackward(const Call& call, const Saved& saved, const Tensor& grad_out, const Tensor& grad_ramp_sum) {
  using Real = ComputeType<T>;
  auto args = call.Args<T>();
  const auto like = [](const Tensor& x) { return torch::zeros(x.sizes(), x.options()); };
  Gradients g{torch::empty(call.q.sizes(), call.q.options()),
              like(call.k),
              like(call.v),
              like(call.span),
              like(call.bank_k),
              like(call.bank_v),
              like(call.bank_span),
              {}};
  args.out = MutableData<T>(saved.out);
  args.max_score = saved.max_score.template data_ptr<Real>();
  args.normaliser = saved.normaliser.template data_ptr<Real>();
  args.grad_out = Data<T>(grad_out);
  args.grad_ramp_sum = grad_ramp_sum.const_data_ptr<double>();
  args.grad_q = MutableData<T>(g.q);
  args.grad_k = MutableData<T>(g.k);
  args.grad_v = MutableData<T>(g.v);
  args.grad_span = g.span.data_ptr<double>();
  args.grad_bank_k = MutableData<T>(g.bank_k);
  args.grad_bank_v = MutableData<T>(g.bank_v);
  args.grad_bank_span = g.bank_span.data_ptr<double>();
  const Tensor positions = torch::zeros({Parts(args.rows), args.head_dim, args.positions}, saved.normaliser.options());
  const auto& kernels = SelectExpireAttention<T>();
  ForRows(args.rows, [&](int64_t first, int64_t end, int64_t part) {
    kernels.backward(args, first, end, Scratch(kernels.scratch_bytes(args, call.longest + args.block_keys, true)),
                     positions.template data_ptr<Real>() + part * args.head_dim * args.positions);
  });
  g.position_keys = positions.sum(0).to(call.q.dtype());
  return g;
}

/// Calls run with a T of the tensor's type: float, double or BFloat16.
template <class Run>
auto ByType(const Tensor& x, Run run) {
  if (x.scalar_type() == torch::kDouble) return run(double{});
  if (x.scalar_type() == torch::kBFloat16) return run(BFloat16{});
  return run(float{});
}

struct FusedAttention : torch::autograd::Function<FusedAttention> {
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* context, const Tensor& q,
                                                const Tensor& k, const Tensor& v, const Tensor& span,
                                                const Tensor& bank_k, const Tensor& bank_v, const Tensor& bank_span,
                                                const Tensor& position_keys, const Tensor& episode_begin,
                                                const Tensor& bank_age, const Tensor& begin, const Tensor& count,
                                                int64_t longest, const AttentionConstants& constants,
                                                bool want_weights) {
    Call call{Rows(q),
              Rows(k),
              Rows(v),
              span.contiguous(),
              episode_begin.contiguous(),
              Rows(bank_k),
              Rows(bank_v),
              bank_span.contiguous(),
              bank_age.contiguous(),
              begin.contiguous(),
              count.contiguous(),
              position_keys.contiguous(),
              longest,
              constants};
    if (!SameStrides(call.k, call.v)) call.k = k.contiguous(), call.v = v.contiguous();
    if (!SameStrides(call.bank_k, call.bank_v)) call.bank_k = bank_k.contiguous(), call.bank_v = bank_v.contiguous();
    const int64_t rows = q.size(0), queries = q.size(1);
    const auto real = q.options().dtype(q.scalar_type() == torch::kDouble ? torch::kDouble : torch::kFloat);
    const Saved saved{torch::empty({rows, queries, q.size(2)}, q.options()),
                      torch::empty({rows, constants.heads, queries}, real),
                      torch::empty({rows, constants.heads, queries}, real)};
    Tensor ramp_sum = torch::empty({rows}, span.options());
    Tensor living = torch::empty({rows, queries}, episode_begin.options());
    Tensor weights =
        torch::zeros({want_weights ? rows : 0, constants.heads, queries, longest + k.size(1)}, q.options());
    ByType(q, [&](auto type) { RunForward<decltype(type)>(call, saved, ramp_sum, living, weights); });
    if (q.scalar_type() == torch::kDouble)
      CheckFinite<double>(saved.out);
    else if (q.scalar_type() == torch::kFloat)
      CheckFinite<float>(saved.out);
    else
      CheckFinite<at::BFloat16>(saved.out);
    context->save_for_backward({call.q, call.k, call.v, call.span, call.bank_k, call.bank_v, call.bank_span,
                                call.position_keys, call.episode_begin, call.bank_age, call.begin, call.count,
                                saved.out, saved.max_score, saved.normaliser});
    context->saved_data["longest"] = longest;
    context->saved_data["heads"] = constants.heads;
    context->saved_data["ramp"] = constants.ramp;
    context->saved_data["epsilon"] = constants.epsilon;
    context->saved_data["shorten"] = constants.shorten;
    context->saved_data["window"] = constants.window;
    context->saved_data["least_mask"] = constants.least_mask;
    context->saved_data["dropout"] = constants.dropout;
    context->saved_data["dropout_seed"] = static_cast<int64_t>(constants.dropout_seed);
    context->mark_non_differentiable({living, weights});
    return {saved.out, ramp_sum, living, weights};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const auto s = context->get_saved_variables();
    AttentionConstants c{context->saved_data["heads"].toInt(), context->saved_data["ramp"].toDouble(),
                         context->saved_data["epsilon"].toDouble(), context->saved_data["shorten"].toDouble(),
                         context->saved_data["window"].toDouble()};
    c.least_mask = context->saved_data["least_mask"].toDouble();
    c.dropout = context->saved_data["dropout"].toDouble();
    c.dropout_seed = static_cast<uint64_t>(context->saved_data["dropout_seed"].toInt());
    const Call call{s[0],
                    s[1],
                    s[2],
                    s[3],
                    s[8],
                    s[4],
                    s[5],
                    s[6],
                    s[9],
                    s[10],
                    s[11],
                    s[7],
                    context->saved_data["longest"].toInt(),
                    c};
    const Tensor grad_out = grads[0].defined() ? grads[0].contiguous() : torch::zeros(call.q.sizes(), call.q.options());
    const Tensor grad_ramp =
        grads[1].defined() ? grads[1].contiguous() : torch::zeros({call.q.size(0)}, call.span.options());
    const Saved saved{s[12], s[13], s[14]};
    const Gradients g =
        ByType(call.q, [&](auto type) { return RunBackward<decltype(type)>(call, saved, grad_out, grad_ramp); });
    const Tensor none;
    return {g.q,  g.k,  g.v,  g.span, g.bank_k, g.bank_v, g.bank_span, g.position_keys,
            none, none, none, none,   none,     none,     none};
  }
};

}  // namespace

AttentionOutput ExpireAttention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& span,
                                const Tensor& episode_begin, const BankView& bank, const Tensor& position_keys,
                                const AttentionConstants& constants, bool want_weights) {
  CheckArguments(q, k, v, span, episode_begin, bank, position_keys, constants);
  if (!q.is_cpu()) return ExpireAttentionDense(q, k, v, span, episode_begin, bank, position_keys, constants);
  const auto result = FusedAttention::apply(q, k, v, span, bank.k, bank.v, bank.span, position_keys, episode_begin,
                                            bank.age, bank.begin, bank.count, bank.longest, constants, want_weights);
  return {result[0], result[1], result[2], result[3]};
}

AttentionOutput ExpireAttentionDense(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& span,
                                     const Tensor& episode_begin, const BankView& bank, const Tensor& position_keys,
                                     const AttentionConstants& c) {
  CheckArguments(q, k, v, span, episode_begin, bank, position_keys, c);
  const int64_t rows = q.size(0), queries = q.size(1), block = k.size(1), first = block - queries;
  const int64_t heads = c.heads, dim = q.size(2) / heads, positions = position_keys.size(1), longest = bank.longest;
  const auto device = q.device();
  const auto long_on = torch::TensorOptions().dtype(torch::kLong).device(device);
  // Banks side by side, padded to the longest: index 0 where there is nothing, and hidden by `present`.
  const Tensor column = torch::arange(longest, long_on).unsqueeze(0);                                    // [1, n]
  const Tensor present = column < bank.count.to(device).unsqueeze(1);                                    // [B, n]
  const Tensor index = torch::where(present, column + bank.begin.to(device).unsqueeze(1), 0).flatten();  // [B*n]
  const auto padded = [&](const Tensor& x) {
    return x.size(0) == 0 ? torch::zeros({rows, longest, x.size(1)}, x.options())
                          : x.index_select(0, index).view({rows, longest, x.size(1)});
  };
  const Tensor all_k = torch::cat({padded(bank.k), k}, 1), all_v = torch::cat({padded(bank.v), v}, 1);  // [B, N, K]
  const Tensor all_span = torch::cat({padded(bank.span.unsqueeze(1)).squeeze(2), span}, 1);             // [B, N]
  const Tensor bank_age = padded(bank.age.to(device).unsqueeze(1)).squeeze(2);
  const Tensor block_age = -torch::arange(block, long_on).unsqueeze(0).expand({rows, block});
  const Tensor step = torch::arange(first, block, long_on).view({1, queries, 1});
  const Tensor age = torch::cat({bank_age, block_age}, 1).unsqueeze(1) + step;                  // [B, Tq, N]
  const Tensor begin = episode_begin.to(device).slice(1, first).to(torch::kLong).unsqueeze(2);  // [B, Tq, 1]
  const Tensor same_episode = torch::cat(
      {(begin < 0).logical_and(present.unsqueeze(1)), torch::arange(block, long_on).view({1, 1, block}) >= begin}, 2);
  const Tensor remaining = all_span.clamp_max(c.shorten).unsqueeze(1) - age;  // [B, Tq, N]
  const Tensor seen_mask = (remaining / c.ramp + 1).clamp(c.least_mask, 1);
  const Tensor in_reach = (age >= 1).logical_and(age <= c.window);
  const Tensor seen = same_episode.logical_and(in_reach).logical_and(seen_mask > 0);  // [B, Tq, N]
  const Tensor mask = torch::where(seen, seen_mask, 0);
  const auto by_head = [&](const Tensor& x) { return x.view({rows, -1, heads, dim}).transpose(1, 2); };
  const Tensor query = by_head(q), key = by_head(all_k), value = by_head(all_v);                   // [B, H, ., D]
  const Tensor by_position = torch::constant_pad_nd(torch::matmul(query, position_keys), {0, 1});  // [B, H, Tq, M + 1]
  const Tensor place = torch::where(age >= 1, positions - age, positions);
  const Tensor slot = torch::where(place < 0, positions, place).unsqueeze(1).expand({rows, heads, queries, -1});
  const Tensor score =
      (torch::matmul(query, key.transpose(2, 3)) + by_position.gather(3, slot)) / std::sqrt(static_cast<double>(dim));
  const Tensor hidden = seen.logical_not().unsqueeze(1);
  const Tensor max = std::get<0>(score.masked_fill(hidden, -1e30).max(3, true)).detach();
  const Tensor weight = (score - max).masked_fill(hidden, -1e30).exp();  // [B, H, Tq, N]
  const Tensor masked = weight * mask.unsqueeze(1).to(q.dtype());
  const Tensor sum = masked.sum(3, true) + c.epsilon * weight.sum(3, true);
  const Tensor p = masked / torch::where(sum > 0, sum, 1);
  const Tensor out = torch::matmul(p, value).transpose(1, 2).reshape({rows, queries, heads * dim});
  const Tensor on_ramp = seen.logical_and(seen_mask < 1).logical_and(seen_mask > c.least_mask);
  return {out, torch::where(on_ramp, remaining, 0).sum({1, 2}), seen.sum(2).to(torch::kInt), p};
}

}  // namespace lethe::memory
