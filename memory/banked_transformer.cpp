#include "memory/banked_transformer.h"

#include <algorithm>
#include <cmath>

#include "memory/banked_stepper.h"
#include "memory/check.h"
#include "memory/check_block.h"
#include "memory/kernels/span_mask.h"
#include "memory/linear.h"

namespace lethe::memory {

namespace {

using torch::Tensor;

const int64_t* Longs(const Tensor& x) { return x.const_data_ptr<int64_t>(); }

const TransformerOptions& Checked(const TransformerOptions& options) {
  options.Check();
  return options;
}

/// The state as one that this memory can read.
const BankedState& CheckState(const BankedTransformer& core, const StatePtr& state) {
  const BankedState& mine = AsBankedState(state);
  const auto layers = static_cast<int64_t>(mine.banks().size());
  Check(layers == core.shared().layers, "memory state: has ", layers, " layers, this memory ", core.shared().layers);
  const Tensor &hidden = mine.banks()[0].hidden, &like = core.layers()[0].query;
  Check(hidden.size(1) == core.dim(), "memory state: has width ", hidden.size(1), ", this memory ", core.dim());
  Check(hidden.dtype() == like.dtype(), "memory state: is of ", hidden.dtype(), ", this memory of ", like.dtype());
  Check(hidden.device() == like.device(), "memory state: lies on ", hidden.device(), ", this memory on ",
        like.device());
  return mine;
}

}  // namespace

BankedTransformer::BankedTransformer(std::shared_ptr<const TransformerOptions> options, int64_t positions)
    : stack_(*this, Checked(*options)), shared_(std::move(options)) {
  const int64_t learned = shared_->positions > 0 ? shared_->positions : positions;
  const int64_t columns = shared_->position == "rotary" ? 0 : learned;
  position_keys_ = register_parameter("position_keys", torch::randn({1, shared_->HeadDim(), columns}));
}

StatePtr BankedTransformer::Start(int64_t rows) const {
  Check(rows >= 0, "memory: rows must be >= 0, got ", rows);
  const auto options = position_keys_.options().requires_grad(false);
  const int64_t zeros = shared_->published ? PublishedZeros() : 0;
  std::vector<Bank> banks;
  for (int64_t l = 0; l < shared_->layers; ++l) {
    Bank bank = EmptyBank(rows, shared_->dim, options);
    if (zeros > 0) {
      const Tensor block = torch::zeros({rows, zeros, shared_->dim}, options);
      KeptRow all;
      for (int64_t t = 0; t < zeros; ++t) all.steps.push_back(t);
      bank = Repack(bank, block, torch::full({rows}, -zeros, torch::kLong),
                    std::vector<KeptRow>(static_cast<size_t>(rows), all));
    }
    banks.push_back(std::move(bank));
  }
  return std::make_shared<BankedState>(std::move(banks), torch::zeros({rows}, torch::kLong));
}

BankedTransformer::Projections BankedTransformer::Project(const TransformerLayer& layer, const Tensor& g,
                                                          const Tensor& time) const {
  const auto kv = Linear(g, layer.key_value).unflatten(-1, {2, -1}).unbind(-2);
  Projections p{Linear(g, layer.query), kv[0], kv[1]};
  if (shared_->position == "rotary") {
    p.q = Rotate(p.q, time, shared_->HeadDim());
    p.k = Rotate(p.k, time, shared_->HeadDim());
  }
  return p;
}

BankView BankedTransformer::ProjectBank(const TransformerLayer& layer, const Bank& bank, const Tensor& clock) const {
  BankView view;
  const Tensor g = stack_.AttentionInput(layer, bank.hidden);
  const auto kv = Linear(g, layer.key_value).view({g.size(0), 2, layer.query.size(0)}).unbind(1);
  view.k = kv[0];
  view.v = kv[1];
  view.span = Spans(layer, g);
  view.age = torch::empty_like(bank.time);
  int64_t* age = view.age.data_ptr<int64_t>();
  const int64_t* time = Longs(bank.time);
  for (int64_t row = 0; row < clock.size(0); ++row)
    for (int64_t i = Longs(bank.begin)[row], end = i + Longs(bank.count)[row], now = Longs(clock)[row]; i < end; ++i)
      age[i] = now - time[i];
  if (shared_->position == "rotary") view.k = Rotate(view.k, -view.age, shared_->HeadDim());
  view.begin = bank.begin;
  view.count = bank.count;
  view.longest = bank.longest;
  return view;
}

AttentionOutput BankedTransformer::Attend(const TransformerLayer&, const Tensor& q, const Tensor& k, const Tensor& v,
                                          const Tensor& span, const Tensor& episode_begin, const BankView& bank,
                                          const AttentionConstants& constants, bool want_weights) const {
  return ExpireAttention(q, k, v, span, episode_begin, bank, position_keys_[0], constants, want_weights);
}

/// What the layers of one block share, and what they add up.
struct BankedTransformer::Pass {
  const BankedState& before;
  const Tensor begin, time;  // [B, T] i32, [T] i64
  const int64_t fresh;
  const bool want_state;
  LayerPasses* const passes;
  Noise noise;
  const AttentionConstants constants;
  size_t layer = 0;
  std::vector<Bank> banks;
  std::vector<Tensor> means;
  BlockOutput result;
};

/// A layer of one block: x to y.
Tensor BankedTransformer::RunLayer(const TransformerLayer& layer, const Tensor& x, Pass& pass) const {
  const Bank& bank = pass.before.banks()[pass.layer];
  const Tensor g = stack_.AttentionInput(layer, x), span = Spans(layer, g);
  const BankView view = ProjectBank(layer, bank, pass.before.clock());
  const Tensor fresh_span = span.slice(1, 0, pass.fresh);
  Tensor y = x;
  if (!pass.noise.Happens(shared_->layer_drop)) {
    const auto [q, k, v] = Project(layer, g, pass.time);
    AttentionConstants constants = pass.constants;
    constants.dropout_seed = pass.noise.Seed();
    const AttentionOutput a = Attend(layer, q, k, v, span, pass.begin, view, constants, pass.passes != nullptr);
    Tensor projected;
    y = stack_.FinishLayer(layer, x, a.out, pass.noise, &projected);
    const Tensor living = a.living.slice(1, 0, pass.fresh);
    pass.result.living.sum.push_back(living.sum().item<double>());
    pass.result.living.max.push_back(living.max().item<double>());
    if (PredictsSpans())
      pass.result.ramp_sum = pass.result.ramp_sum.defined() ? pass.result.ramp_sum + a.ramp_sum : a.ramp_sum;
    if (pass.passes != nullptr) pass.passes->push_back({projected, y, span, view.span, a});
  } else {  // skipped: nothing was looked at, all lives on
    pass.result.living.sum.push_back(0), pass.result.living.max.push_back(0);
  }
  if (PredictsSpans()) {
    pass.means.push_back(Charged(fresh_span).mean());
    pass.result.spans.push_back(span.detach());
  }
  if (pass.want_state) {
    const torch::NoGradGuard no_grad;
    pass.banks.push_back(Expire(bank, view.span, x.detach().slice(1, 0, pass.fresh), fresh_span.detach(),
                                pass.before.clock(), pass.begin.slice(1, 0, pass.fresh)));
  }
  ++pass.layer;
  return y;
}

BlockOutput BankedTransformer::Forward(const Tensor& x, const Tensor& episode_start, const StatePtr& state,
                                       int64_t lookahead, bool want_state, uint64_t noise,
                                       const Between& between) const {
  return ForwardTraced(x, episode_start, state, lookahead, want_state, nullptr, noise, between);
}

BlockOutput BankedTransformer::ForwardTraced(const Tensor& input, const Tensor& episode_start, const StatePtr& state,
                                             int64_t lookahead, bool want_state, LayerPasses* passes, uint64_t seed,
                                             const Between& between) const {
  const BankedState& before = CheckState(*this, state);
  CheckBlock(input, episode_start, before.rows(), shared_->dim, layers()[0].query, lookahead);
  if (shared_->Gaps() == 0) RefuseBetween(between);
  Check(!shared_->published || !episode_start.any().item<bool>(),
        "published mode: episode starts inside a block are not defined");
  const int64_t rows = input.size(0), steps = input.size(1), fresh = steps - lookahead;
  Noise noise(seed);
  const AttentionConstants constants = Constants(noise);
  Pass pass{before,
            EpisodeBegin(episode_start),
            torch::arange(steps, torch::kLong),
            fresh,
            want_state,
            passes,
            std::move(noise),
            constants,
            0,
            {},
            {},
            {}};
  Tensor x = input;
  for (size_t l = 0; l < layers().size(); ++l) {
    x = RunLayer(layers()[l], x, pass);
    if (between && l + 1 < layers().size()) x = AddBetween(between, l, x);
  }
  BlockOutput& result = pass.result;
  result.living.steps = rows * fresh;
  if (PredictsSpans()) {
    result.span_mean = torch::stack(pass.means);
    if (!result.ramp_sum.defined()) result.ramp_sum = torch::zeros({rows}, result.span_mean.options());
  }
  result.aux_loss = AuxLoss();
  result.y = stack_.FinishStack(x);
  if (want_state) result.state = std::make_shared<BankedState>(std::move(pass.banks), before.clock() + fresh);
  return std::move(result);
}

Bank BankedTransformer::Expire(const Bank& bank, const Tensor& bank_span, const Tensor& block, const Tensor& block_span,
                               const Tensor& clock, const Tensor& episode_begin) const {
  const int64_t rows = block.size(0), steps = block.size(1);
  const Tensor bank_e = bank_span.cpu().contiguous(), block_e = block_span.cpu().contiguous();
  const Tensor begin = episode_begin.contiguous();
  Noise evaluation(0);
  const AttentionConstants constants = Constants(evaluation);
  const auto alive = [&](double span, int64_t age) {
    return age <= constants.window && SpanMask(span - static_cast<double>(age), constants.ramp) > 0;
  };
  std::vector<KeptRow> kept(static_cast<size_t>(rows));
  for (int64_t row = 0; row < rows; ++row) {
    KeptRow& keep = kept[static_cast<size_t>(row)];
    const int32_t episode = steps > 0 ? begin.const_data_ptr<int32_t>()[row * steps + steps - 1] : -1;
    const int64_t now = Longs(clock)[row] + steps;
    const int64_t first = Longs(bank.begin)[row], end = first + Longs(bank.count)[row];
    for (int64_t i = first; episode < 0 && i < end; ++i)
      if (alive(bank_e.const_data_ptr<double>()[i], now - Longs(bank.time)[i])) keep.banked.push_back(i);
    for (int64_t t = std::max<int64_t>(episode, 0); t < steps; ++t)
      if (alive(block_e.const_data_ptr<double>()[row * steps + t], steps - t)) keep.steps.push_back(t);
  }
  return Repack(bank, block, clock, kept);
}

StatePtr BankedTransformer::Restore(const TensorMap& saved) const {
  return RestoreState(saved, shared_->layers, shared_->dim, position_keys_.options().requires_grad(false));
}

StatePtr BankedTransformer::Gather(const StatePtr& state, const std::vector<int64_t>& rows) const {
  return GatherRows(AsBankedState(state), rows);
}

std::unique_ptr<Stepper> BankedTransformer::Begin(const StatePtr& state, int64_t steps, Between between) const {
  CheckState(*this, state);
  Check(steps >= 1, "memory: an unroll must have at least one step, got ", steps);
  if (shared_->Gaps() == 0) RefuseBetween(between);
  return MakeStepper(*this, std::static_pointer_cast<const BankedState>(state), steps, std::move(between));
}

Flops BankedTransformer::CountFlops(int64_t block, double living) const {
  const double width = static_cast<double>(layers()[0].query.size(0)),
               layer_count = static_cast<double>(shared_->layers);
  const double near = std::min(living, static_cast<double>(position_keys_.size(2)));
  const double attention = 4 * living * width + 2 * near * width;
  const double bank = 4 * living * static_cast<double>(shared_->dim) * width / static_cast<double>(block);
  return {stack_.LinearFlops() + layer_count * attention, layer_count * bank};
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

}  // namespace lethe::memory
