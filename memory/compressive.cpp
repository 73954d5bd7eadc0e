#include "memory/compressive.h"

#include <algorithm>

#include "memory/banked_transformer.h"
#include "memory/check.h"
#include "memory/check_block.h"
#include "memory/compressive_stepper.h"
#include "memory/registry.h"

namespace lethe::memory {

namespace {

using torch::Tensor;

const int64_t* Longs(const Tensor& x) { return x.const_data_ptr<int64_t>(); }

const CompressiveOptions& Checked(const CompressiveOptions& options) {
  options.Check();
  return options;
}

/// Where the episode of each step began, [B, T] i64, counted from the block's first step.
Tensor BeginOf(const Tensor& episode_start, const CompressiveState& before) {
  const Tensor in_block = EpisodeBegin(episode_start).to(torch::kLong);
  return torch::where(in_block >= 0, in_block, (before.start() - before.clock()).unsqueeze(1));
}

/// The block's steps at which the oldest step in sight is the first of a group, [B, G]; -1 behind a row's last.
/// They are also the group's first step's place among the L + T steps.
Tensor NewGroups(const Tensor& begin, int64_t length, int64_t rate) {
  const int64_t rows = begin.size(0), steps = begin.size(1);
  std::vector<std::vector<int64_t>> groups(static_cast<size_t>(rows));
  size_t most = 0;
  for (int64_t row = 0; row < rows; ++row) {
    auto& mine = groups[static_cast<size_t>(row)];
    for (int64_t t = 0; t < steps; ++t)
      if (const int64_t steps_in = t - length - Longs(begin)[row * steps + t]; steps_in >= 0 && steps_in % rate == 0)
        mine.push_back(t);
    most = std::max(most, mine.size());
  }
  Tensor index = torch::full({rows, static_cast<int64_t>(most)}, -1, torch::kLong);
  for (size_t row = 0; row < groups.size(); ++row)
    std::copy(groups[row].begin(), groups[row].end(), index.data_ptr<int64_t>() + row * most);
  return index;
}

}  // namespace

void CompressiveOptions::Visit(OptionVisitor& visit) {
  TransformerOptions::Visit(visit);
  visit("memory_length", memory_length, 1, 1e6, "steps L that are remembered as they are; at least rate");
  visit("slots", slots, 1, 1e6, "compressed memories C beyond them");
  visit("rate", rate, 1, 65536, "steps c that become one compressed memory");
  visit("compression", compression, {"mean", "convolution"}, "mean of the steps, or a learned map of them");
  visit("reconstruction_weight", reconstruction_weight, 0, 1e6,
        "of the loss that trains compression: convolution to keep what attention reads");
}

void CompressiveOptions::Check() const {
  TransformerOptions::Check();
  CheckOption(slots >= 1, "slots", slots, ">= 1");
  CheckOption(rate >= 1, "rate", rate, ">= 1");
  CheckOption(memory_length >= rate, "memory_length", memory_length, "at least rate = " + std::to_string(rate));
  CheckOption(compression == "mean" || compression == "convolution", "compression", compression, "mean, convolution");
  CheckOption(reconstruction_weight >= 0, "reconstruction_weight", reconstruction_weight, ">= 0");
  CheckOption(reconstruction_weight == 0 || compression == "convolution", "reconstruction_weight",
              reconstruction_weight, "0 with compression: mean, which has nothing to train");
}

std::shared_ptr<Core> CompressiveOptions::MakeBody() const { return std::make_shared<Compressive>(*this); }

Compressive::Compressive(const CompressiveOptions& o) : options_(Checked(o)), stack_(*this, o) {
  const int64_t ages = o.positions > 0 ? std::min(o.positions, o.memory_length) : o.memory_length;
  const int64_t columns = o.position == "rotary" ? 0 : o.slots + 1 + ages;
  position_keys_ = register_parameter("position_keys", torch::randn({1, o.HeadDim(), columns}));
  if (o.compression == "mean") return;
  for (size_t l = 0; l < layers().size(); ++l)
    compression_.push_back(
        stack_.Add(l, "compression", (torch::eye(o.dim) / static_cast<double>(o.rate)).repeat({1, o.rate})));
}

StatePtr Compressive::Start(int64_t rows) const {
  // Published rows begin as if an episode of zeros had filled steps and slots.
  const int64_t zeros = options_.published ? options_.memory_length + (options_.slots + 1) * options_.rate : 0;
  return CompressiveState::Start(options_.Shape(), rows, -zeros, StateOptions());
}

Tensor Compressive::StoredSlotTimes(const CompressiveState& state) const {
  Tensor time = torch::empty({state.rows(), options_.slots + 1}, torch::kLong);
  for (int64_t row = 0; row < state.rows(); ++row)
    for (int64_t j = 0; j <= options_.slots; ++j) {
      const int64_t clock = Longs(state.clock())[row], start = Longs(state.start())[row],
                    at = options_.Shape().SlotTime(clock, start, j);
      time.data_ptr<int64_t>()[row * (options_.slots + 1) + j] = at >= start ? at - clock : kNever;
    }
  return time;
}

Tensor Compressive::StoredStepTimes(const CompressiveState& state) const {
  const Tensor time = torch::arange(-options_.memory_length, 0, torch::kLong).unsqueeze(0);
  return torch::where(time >= (state.start() - state.clock()).unsqueeze(1), time, kNever);
}

CompressiveState::Layer Compressive::After(const Tensor& all_steps, const Tensor& slots, const Tensor& slot_time,
                                           const Tensor& start, int64_t steps) const {
  const torch::NoGradGuard no_grad;
  const int64_t rows = slots.size(0), width = slots.size(1), L = options_.memory_length, C = options_.slots;
  const Tensor times = slot_time.contiguous(), starts = start.contiguous();
  std::vector<int64_t> index;  // behind a row's last slot: an empty one
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t *from = Longs(times) + row * width, *to = from + width, begin = Longs(starts)[row];
    for (int64_t j = 0; j <= C; ++j) {
      const int64_t wanted = options_.Shape().SlotTime(steps, begin, j);
      index.push_back(row * (width + 1) + ((wanted >= begin ? std::find(from, to, wanted) : to) - from));
    }
  }
  const Tensor padded = torch::constant_pad_nd(slots.detach(), {0, 0, 0, 1}).flatten(0, 1);
  const Tensor missing = torch::arange(steps - L, steps, torch::kLong).unsqueeze(0) < starts.unsqueeze(1);  // [B, L]
  const Tensor last = all_steps.detach().slice(1, steps, steps + L);
  return {last.masked_fill(missing.unsqueeze(2).to(last.device()), 0),
          padded.index_select(0, torch::tensor(index, torch::kLong).to(padded.device())).view({rows, C + 1, -1})};
}

/// What the layers of one block share, and what they add up.
struct Compressive::Pass {
  const CompressiveState& before;
  const Tensor begin, query_time;    // [B, T], [T]
  const Tensor group_index;          // [B, G]: a group's first step among the L + T steps
  const Tensor slot_time, key_time;  // [B, S], [B, N]: slots, then steps
  const View view;
  const int64_t fresh;
  const bool want_state;
  std::vector<LayerPass>* const passes;
  Noise noise;
  std::vector<CompressiveState::Layer> after;
  Tensor reconstruction;
  BlockOutput result;
};

Tensor Compressive::RunLayer(size_t l, const Tensor& x, Pass& pass) const {
  const TransformerLayer& layer = layers()[l];
  const CompressiveState::Layer& stored = pass.before.layers()[l];
  const int64_t rows = x.size(0), groups = pass.group_index.size(1), c = options_.rate;
  const Tensor steps = torch::cat({stored.steps, x}, 1);  // [B, L + T, H]
  const Tensor row_begin = torch::arange(rows, torch::kLong).view({rows, 1, 1}) * steps.size(1);
  const Tensor index =
      (row_begin + pass.group_index.clamp_min(0).unsqueeze(2) + torch::arange(c, torch::kLong)).flatten();
  const Tensor grouped = steps.flatten(0, 1).index_select(0, index.to(x.device())).view({rows, groups, c, x.size(2)});
  const Tensor slots = torch::cat({stored.slots, Compress(l, grouped)}, 1);  // [B, S, H]
  Tensor y = x;
  if (!pass.noise.Happens(options_.layer_drop)) {
    const auto [k, v] = KeysAndValues(layer, torch::cat({slots, steps}, 1), pass.key_time);
    Tensor projected, weights;
    const Tensor attended = Attend(Queries(layer, x, pass.query_time), k, v, pass.view, pass.noise,
                                   pass.passes != nullptr ? &weights : nullptr);
    y = stack_.FinishLayer(layer, x, attended, pass.noise, &projected);
    if (pass.passes != nullptr) {
      const Tensor by_place =
          torch::zeros({rows, options_.heads, x.size(1), options_.slots + 1 + options_.memory_length}, x.options());
      pass.passes->push_back(
          {projected, y, by_place.scatter_add(3, pass.view.place.unsqueeze(1).expand_as(weights), weights)});
    }
    if (options_.reconstruction_weight > 0 && groups > 0) {
      const Tensor loss = Reconstruction(l, x, grouped, (pass.group_index >= 0).to(x.device()));
      pass.reconstruction = pass.reconstruction.defined() ? pass.reconstruction + loss : loss;
    }
    const Tensor living = pass.view.seen.slice(1, 0, pass.fresh).sum(2);
    pass.result.living.sum.push_back(living.sum().item<double>());
    pass.result.living.max.push_back(static_cast<double>(living.numel() > 0 ? living.max().item<int64_t>() : 0));
  } else {  // skipped: nothing was looked at, all lives on
    pass.result.living.sum.push_back(0), pass.result.living.max.push_back(0);
  }
  if (pass.want_state)
    pass.after.push_back(After(steps, slots, pass.slot_time, pass.begin.select(1, pass.fresh - 1), pass.fresh));
  return y;
}

BlockOutput Compressive::Forward(const Tensor& x, const Tensor& episode_start, const StatePtr& state, int64_t lookahead,
                                 bool want_state, uint64_t noise, const Between& between) const {
  return ForwardTraced(x, episode_start, state, lookahead, want_state, nullptr, noise, between);
}

BlockOutput Compressive::ForwardTraced(const Tensor& input, const Tensor& episode_start, const StatePtr& state,
                                       int64_t lookahead, bool want_state, std::vector<LayerPass>* passes,
                                       uint64_t seed, const Between& between) const {
  const CompressiveState& before = CompressiveState::Of(state, options_.Shape(), StateOptions());
  CheckBlock(input, episode_start, before.rows(), dim(), layers()[0].query, lookahead);
  if (options_.Gaps() == 0) RefuseBetween(between);
  Check(!options_.published || !episode_start.any().item<bool>(),
        "published mode: episode starts inside a block are not defined");
  const int64_t rows = input.size(0), steps = input.size(1), fresh = steps - lookahead;
  const Tensor begin = BeginOf(episode_start, before), now = torch::arange(steps, torch::kLong);
  const Tensor group_index = NewGroups(begin, options_.memory_length, options_.rate);
  const Tensor group_time = torch::where(group_index >= 0, group_index - options_.memory_length, kNever);
  const Tensor slot_time = torch::cat({StoredSlotTimes(before), group_time}, 1).contiguous();
  const Tensor step_time = torch::cat({StoredStepTimes(before), now.expand({rows, steps})}, 1);
  Pass pass{before,
            begin,
            now,
            group_index,
            slot_time,
            torch::cat({MiddleTime(slot_time), step_time}, 1),
            See(slot_time, step_time, now, begin),
            fresh,
            want_state,
            passes,
            Noise(seed),
            {},
            {},
            {}};
  Tensor x = input;
  for (size_t l = 0; l < layers().size(); ++l) {
    x = RunLayer(l, x, pass);
    if (between && l + 1 < layers().size()) x = AddBetween(between, l, x);
  }
  BlockOutput& result = pass.result;
  result.living.steps = rows * fresh;
  if (options_.reconstruction_weight > 0)
    result.aux_loss = pass.reconstruction.defined() ? pass.reconstruction * options_.reconstruction_weight
                                                    : torch::zeros({}, StateOptions().dtype(torch::kDouble));
  result.y = stack_.FinishStack(x);
  if (want_state)
    result.state = std::make_shared<CompressiveState>(options_.Shape(), std::move(pass.after), before.clock() + fresh,
                                                      before.clock() + begin.select(1, fresh - 1));
  return std::move(result);
}

std::unique_ptr<Stepper> Compressive::Begin(const StatePtr& state, int64_t steps, Between between) const {
  CompressiveState::Of(state, options_.Shape(), StateOptions());
  Check(steps >= 1, "memory: an unroll must have at least one step, got ", steps);
  if (options_.Gaps() == 0) RefuseBetween(between);
  return std::make_unique<CompressiveStepper>(*this, std::static_pointer_cast<const CompressiveState>(state), steps,
                                              std::move(between));
}

StatePtr Compressive::Restore(const TensorMap& saved) const {
  return CompressiveState::Restore(saved, options_.Shape(), StateOptions());
}

StatePtr Compressive::Gather(const StatePtr& state, const std::vector<int64_t>& rows) const {
  return CompressiveState::Of(state, options_.Shape(), StateOptions()).Gather(rows);
}

Flops Compressive::CountFlops(int64_t block, double living) const {
  const double width = static_cast<double>(layers()[0].query.size(0)),
               layer_count = static_cast<double>(options_.layers);
  const double attention = 4 * living * width + 2 * static_cast<double>(position_keys_.size(2)) * width;
  return {stack_.LinearFlops() + layer_count * attention,
          layer_count * 4 * living * static_cast<double>(dim()) * width / static_cast<double>(block)};
}

LETHE_REGISTER_CORE("compressive", CompressiveOptions,
                    "Compressive Transformer: the last steps as they are, older ones in groups");

}  // namespace lethe::memory
