#include "memory/expire_span.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <stdexcept>

#include "memory/expire_span_stepper.h"
#include "memory/kernels/span_mask.h"

namespace lethe::memory {

namespace {

using torch::Tensor;

/// Throws what `text` streams, unless ok.
template <class... Text>
void Check(bool ok, const Text&... text) {
  if (ok) return;
  std::ostringstream message;
  (message << ... << text);
  throw std::invalid_argument(message.str());
}

void Require(bool ok, const char* option, double value, const char* allowed) {
  Check(ok, "memory option `", option, "`: got ", value, ", allowed ", allowed);
}

void CheckOptions(const ExpireSpanOptions& o) {
  const auto positive = [](int64_t n, const char* name) { Require(n >= 1, name, static_cast<double>(n), ">= 1"); };
  positive(o.layers, "layers"), positive(o.dim, "dim"), positive(o.heads, "heads"), positive(o.head_dim, "head_dim");
  positive(o.ffn, "ffn"), positive(o.positions, "positions");
  Require(o.span_limit > 0, "span_limit", o.span_limit, "> 0");
  Require(o.ramp > 0, "ramp", o.ramp, "> 0");
  Require(o.initial_span > 0 && o.initial_span < 1, "initial_span", o.initial_span, "between 0 and 1, exclusive");
  Require(o.span_pre_division > 0, "span_pre_division", o.span_pre_division, "> 0");
}

/// Uniform in +-1/sqrt(fan in), the usual start of linear layers.
Tensor LinearStart(int64_t out, int64_t in) {
  const double bound = 1 / std::sqrt(static_cast<double>(in));
  return torch::empty({out, in}).uniform_(-bound, bound);
}

/// The state as one that this memory can read.
const ExpireSpanState& CheckState(const ExpireSpan& core, const StatePtr& state) {
  const ExpireSpanState& mine = AsExpireSpanState(state);
  const auto layers = static_cast<int64_t>(mine.banks().size());
  Check(layers == core.options().layers, "memory state: has ", layers, " layers, this memory ", core.options().layers);
  const Tensor& hidden = mine.banks()[0].hidden;
  Check(hidden.size(1) == core.options().dim, "memory state: has width ", hidden.size(1), ", this memory ", core.options().dim);
  Check(hidden.dtype() == core.position_keys().dtype(), "memory state: is of ", hidden.dtype(), ", this memory of ", core.position_keys().dtype());
  return mine;
}

void CheckBlock(const ExpireSpan& core, const Tensor& x, const Tensor& episode_start, const ExpireSpanState& state, int64_t lookahead) {
  const auto dtype = core.position_keys().dtype();
  Check(x.dim() == 3 && x.size(2) == core.options().dim && x.dtype() == dtype, "memory: x must be [B, T, ", core.options().dim,
        "] of ", dtype, ", got ", x.sizes(), " of ", x.dtype());
  Check(episode_start.sizes() == x.sizes().slice(0, 2) && episode_start.is_cpu(), "memory: episode_start must be ",
        x.sizes().slice(0, 2), " on the CPU, got ", episode_start.sizes());
  Check(x.size(0) == state.rows(), "memory: x has ", x.size(0), " rows, the state ", state.rows());
  Check(lookahead >= 0 && lookahead < x.size(1), "memory: lookahead must leave a step of the block's ", x.size(1), ", got ", lookahead);
}

const int64_t* Longs(const Tensor& x) { return x.const_data_ptr<int64_t>(); }

Tensor Norm(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  return torch::layer_norm(x, {x.size(-1)}, weight, bias, 1e-5);
}

}  // namespace

ExpireSpan::ExpireSpan(const ExpireSpanOptions& options) : options_(options) {
  CheckOptions(options);
  const int64_t width = options.heads * options.head_dim, dim = options.dim, ffn = options.ffn;
  const auto stack = register_module("layers", std::make_shared<torch::nn::Module>());
  for (int64_t l = 0; l < options.layers; ++l) {
    const auto module = stack->register_module(std::to_string(l), std::make_shared<torch::nn::Module>());
    const auto add = [&](const char* name, Tensor start) { return module->register_parameter(name, std::move(start)); };
    const double ff_bound = 1 / std::sqrt(static_cast<double>(dim)), ff2_bound = 1 / std::sqrt(static_cast<double>(ffn));
    Layer layer;
    layer.query = add("query", LinearStart(width, dim));
    layer.key_value = add("key_value", LinearStart(2 * width, dim));
    layer.out = add("out", LinearStart(dim, width));
    layer.ff1 = add("ff1", LinearStart(ffn, dim));
    layer.ff1_bias = add("ff1_bias", torch::empty({ffn}).uniform_(-ff_bound, ff_bound));
    layer.ff2 = add("ff2", LinearStart(dim, ffn));
    layer.ff2_bias = add("ff2_bias", torch::empty({dim}).uniform_(-ff2_bound, ff2_bound));
    layer.norm1 = add("norm1", torch::ones({dim}));
    layer.norm1_bias = add("norm1_bias", torch::zeros({dim}));
    layer.norm2 = add("norm2", torch::ones({dim}));
    layer.norm2_bias = add("norm2_bias", torch::zeros({dim}));
    layer.span = add("span", torch::zeros({1, dim}));
    layer.span_bias = add("span_bias", torch::full({1}, -std::log(1 / options.initial_span - 1)));
    layers_.push_back(std::move(layer));
  }
  position_keys_ = register_parameter("position_keys", torch::randn({1, options.head_dim, options.positions}));
  if (options.pre_norm) {
    out_norm_ = register_parameter("out_norm", torch::ones({dim}));
    out_norm_bias_ = register_parameter("out_norm_bias", torch::zeros({dim}));
  }
}

AttentionConstants ExpireSpan::constants() const {
  AttentionConstants c;
  c.heads = options_.heads;
  c.ramp = options_.ramp;
  c.epsilon = options_.published ? 1e-8 : 0;
  if (shortening_ < 1) c.shorten = shortening_ * options_.span_limit;
  return c;
}

StatePtr ExpireSpan::Start(int64_t rows) const {
  const auto options = position_keys_.options().requires_grad(false);
  const int64_t zeros = options_.published ? options_.positions : 0;
  std::vector<Bank> banks;
  for (int64_t l = 0; l < options_.layers; ++l) {
    Bank bank = EmptyBank(rows, options_.dim, options);
    if (zeros > 0) {  // published start: M zero vectors of ages M..1
      const Tensor block = torch::zeros({rows, zeros, options_.dim}, options);
      KeptRow all;
      for (int64_t t = 0; t < zeros; ++t) all.steps.push_back(t);
      bank = Repack(bank, block, torch::full({rows}, -zeros, torch::kLong), std::vector<KeptRow>(static_cast<size_t>(rows), all));
    }
    banks.push_back(std::move(bank));
  }
  return std::make_shared<ExpireSpanState>(std::move(banks), torch::zeros({rows}, torch::kLong));
}

Tensor ExpireSpan::Spans(const Layer& layer, const Tensor& g) const {
  const Tensor product = torch::matmul(g.to(torch::kDouble), layer.span.to(torch::kDouble).squeeze(0));
  return (product / options_.span_pre_division + layer.span_bias.to(torch::kDouble)).sigmoid() * options_.span_limit;
}

Tensor ExpireSpan::AttentionInput(const Layer& layer, const Tensor& x) const {
  return options_.pre_norm ? Norm(x, layer.norm1, layer.norm1_bias) : x;
}

Tensor ExpireSpan::FinishLayer(const Layer& layer, const Tensor& x, const Tensor& attended) const {
  const auto feed_forward = [&](const Tensor& z) {
    return torch::linear(torch::relu(torch::linear(z, layer.ff1, layer.ff1_bias)), layer.ff2, layer.ff2_bias);
  };
  const Tensor sum = x + attended;
  if (options_.pre_norm) return sum + feed_forward(Norm(sum, layer.norm2, layer.norm2_bias));
  const Tensor y = Norm(sum, layer.norm1, layer.norm1_bias);
  return Norm(y + feed_forward(y), layer.norm2, layer.norm2_bias);
}

Tensor ExpireSpan::FinishStack(const Tensor& x) const {
  return options_.pre_norm ? Norm(x, out_norm_, out_norm_bias_) : x;
}

BankView ExpireSpan::Project(const Layer& layer, const Bank& bank, const Tensor& clock) const {
  BankView view;
  const Tensor g = AttentionInput(layer, bank.hidden);
  const auto kv = torch::linear(g, layer.key_value).view({g.size(0), 2, options_.heads * options_.head_dim}).unbind(1);
  view.k = kv[0];
  view.v = kv[1];
  view.span = Spans(layer, g);
  view.age = torch::empty_like(bank.time);
  for (int64_t row = 0; row < clock.size(0); ++row)
    for (int64_t i = Longs(bank.begin)[row], end = i + Longs(bank.count)[row]; i < end; ++i)
      view.age.data_ptr<int64_t>()[i] = Longs(clock)[row] - Longs(bank.time)[i];
  view.begin = bank.begin;
  view.count = bank.count;
  view.longest = bank.longest;
  return view;
}

BlockOutput ExpireSpan::Forward(const Tensor& x, const Tensor& episode_start, const StatePtr& state, int64_t lookahead,
                                bool want_state) const {
  return ForwardTraced(x, episode_start, state, lookahead, want_state, nullptr);
}

BlockOutput ExpireSpan::ForwardTraced(const Tensor& input, const Tensor& episode_start, const StatePtr& state,
                                      int64_t lookahead, bool want_state, LayerPasses* passes) const {
  const ExpireSpanState& before = CheckState(*this, state);
  CheckBlock(*this, input, episode_start, before, lookahead);
  const int64_t rows = input.size(0), steps = input.size(1), fresh = steps - lookahead;
  if (options_.published && episode_start.any().item<bool>())
    throw std::invalid_argument("published mode: episode starts inside a block are not defined");
  const Tensor begin = EpisodeBegin(episode_start);
  BlockOutput result;
  std::vector<Bank> banks;
  std::vector<Tensor> means;
  Tensor x = input;
  for (size_t l = 0; l < layers_.size(); ++l) {
    const Layer& layer = layers_[l];
    const Bank& bank = before.banks()[l];
    const Tensor g = AttentionInput(layer, x);
    const BankView view = Project(layer, bank, before.clock());
    const Tensor span = Spans(layer, g);
    const Tensor q = torch::linear(g, layer.query);
    const auto kv = torch::linear(g, layer.key_value).view({rows, steps, 2, -1}).unbind(2);
    const AttentionOutput a = ExpireAttention(q, kv[0], kv[1], span, begin, view, position_keys_[0], constants(), passes != nullptr);
    const Tensor projected = torch::linear(a.out, layer.out);
    const Tensor y = FinishLayer(layer, x, projected);
    const Tensor fresh_span = span.slice(1, 0, fresh);
    const Tensor mean = fresh_span.mean();
    means.push_back(mean);
    result.ramp_sum = l == 0 ? a.ramp_sum : result.ramp_sum + a.ramp_sum;
    result.spans.push_back(span.detach());
    const Tensor living = a.living.slice(1, 0, fresh);
    result.living.sum.push_back(living.sum().item<double>());
    result.living.max.push_back(living.max().item<double>());
    if (want_state) {
      const torch::NoGradGuard no_grad;
      banks.push_back(Expire(bank, view.span, x.detach().slice(1, 0, fresh), fresh_span.detach(), before.clock(),
                             begin.slice(1, 0, fresh)));
    }
    if (passes != nullptr) passes->push_back({projected, y, span, view.span, a});
    x = y;
  }
  result.living.steps = rows * fresh;
  result.span_mean = torch::stack(means);
  result.y = FinishStack(x);
  if (want_state) result.state = std::make_shared<ExpireSpanState>(std::move(banks), before.clock() + fresh);
  return result;
}

Bank ExpireSpan::Expire(const Bank& bank, const Tensor& bank_span, const Tensor& block, const Tensor& block_span,
                        const Tensor& clock, const Tensor& episode_begin) const {
  const int64_t rows = block.size(0), steps = block.size(1);
  const Tensor bank_e = bank_span.cpu().contiguous(), block_e = block_span.cpu().contiguous();
  const Tensor begin = episode_begin.contiguous();
  std::vector<KeptRow> kept(static_cast<size_t>(rows));
  std::vector<std::vector<char>> dead(static_cast<size_t>(rows));
  for (int64_t row = 0; row < rows; ++row) {
    KeptRow& keep = kept[static_cast<size_t>(row)];
    const int32_t episode = steps > 0 ? begin.const_data_ptr<int32_t>()[row * steps + steps - 1] : -1;
    const int64_t now = Longs(clock)[row] + steps;
    const int64_t first = Longs(bank.begin)[row], end = first + Longs(bank.count)[row];
    for (int64_t i = first; episode < 0 && i < end; ++i) {
      const double remaining = bank_e.const_data_ptr<double>()[i] - static_cast<double>(now - Longs(bank.time)[i]);
      const bool alive = SpanMask(remaining, options_.ramp) > 0;
      if (options_.published) dead[static_cast<size_t>(row)].push_back(!alive);
      if (alive || options_.published) keep.banked.push_back(i);
    }
    for (int64_t t = std::max<int64_t>(episode, 0); t < steps; ++t) {
      const double remaining = block_e.const_data_ptr<double>()[row * steps + t] - static_cast<double>(steps - t);
      if (SpanMask(remaining, options_.ramp) > 0 || options_.published) keep.steps.push_back(t);
    }
  }
  if (options_.published) DropWholeBlocks(dead, options_.positions, kept);
  return Repack(bank, block, clock, kept);
}

StatePtr ExpireSpan::Restore(const TensorMap& saved) const {
  return RestoreState(saved, options_.layers, options_.dim, position_keys_.options().requires_grad(false));
}

StatePtr ExpireSpan::Gather(const StatePtr& state, const std::vector<int64_t>& rows) const {
  return GatherRows(AsExpireSpanState(state), rows);
}

std::unique_ptr<Stepper> ExpireSpan::Begin(const StatePtr& state, int64_t steps) const {
  CheckState(*this, state);
  Check(steps >= 1, "memory: an unroll must have at least one step, got ", steps);
  return MakeStepper(*this, std::static_pointer_cast<const ExpireSpanState>(state), steps);
}

Tensor EpisodeBegin(const Tensor& episode_start) {
  const Tensor start = episode_start.to(torch::kUInt8).contiguous();
  Tensor begin = torch::empty(start.sizes(), torch::kInt);
  const int64_t rows = start.size(0), steps = start.size(1);
  for (int64_t row = 0; row < rows; ++row) {
    int32_t now = -1;
    for (int64_t t = 0; t < steps; ++t) {
      if (start.const_data_ptr<uint8_t>()[row * steps + t] != 0) now = static_cast<int32_t>(t);
      begin.data_ptr<int32_t>()[row * steps + t] = now;
    }
  }
  return begin;
}

const ExpireSpanState& AsExpireSpanState(const StatePtr& state) {
  const auto* mine = dynamic_cast<const ExpireSpanState*>(state.get());
  if (mine == nullptr) throw std::invalid_argument("memory state: not the state of an Expire-Span memory");
  return *mine;
}

}  // namespace lethe::memory
