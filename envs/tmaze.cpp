#include <algorithm>
#include <stdexcept>
#include <string>

#include <fmt/format.h>

#include "envs/grid.h"
#include "envs/registration.h"

namespace lethe::envs {
namespace {

constexpr const char* kTMazeRules = R"(Keep one bit, seen once at the start, to the junction of a T.

At the first cell of a corridor a signal says up or down. The corridor ends at a junction with an arm above and one
below; the arm of the signal pays 1. Everywhere else nothing tells the signal. The agent sees only where it is.

    #####.#      length n = 4, signal up (drawn red; down is blue); the agent @ stands on the start, cell 0
    r@....#      of cells 0 .. n; the junction is cell n
    #####.#

**Moves.** Right and left lead along the cells 0 .. n and cannot leave them. Up and down have an effect at the junction
only: they enter an arm and terminate, reward 1 if it is the signal's, else `wrong_reward`. A move without effect costs
the step.

**Limit.** `limit_scale` * n + `limit_offset` steps.

**Level.** n uniform in `length_min` .. `length_max`, the signal up or down alike. Record: `length`, `signal` (1 up, 2
down).

**Metrics.** success, wrong_arm (both 0: out of time), length, steps.

**Oracle.** Walks to the junction, then into the arm: success 1 in n + 1 steps.

**Memory needed.** n steps, from the start to the junction.

**Without memory** success is at most 1 / 2. Every stay outside the start begins in cell 1, where nothing depends on the
signal. So for given n a stay that begins with t steps left ends in arm k with probability p_k(t), or comes back to the
start after j steps with probability b_j, whatever the signal, and all of these add up to at most 1. Let f_k(t) be the
best chance of success under signal k. Waiting at the start does not help, as p_k and f_k never fall with t: f_k(t) <=
p_k(t) + sum_j b_j f_k(t - j). Summed over k, by induction: f_1(t) + f_2(t) <= p_1(t) + p_2(t) + sum_j b_j <= 1, and
both signals are alike. "Walk right, then up" reaches it.

**Random actions.** Half the chance to enter an arm in time, by following the distribution over the cells.

**Source.** Bakker, "Reinforcement learning with long short-term memory", NIPS 2001: the T, the signal at the start
only, four moves, observations that tell start, corridor and junction apart, lengths up to 70. Ours: rewards 1 and 0
instead of 4 and -0.1, nothing for standing still, lengths drawn anew for every episode, the limit.
)";

struct TMazeParams : TaskParams {
  int64_t length_min = 3;
  int64_t length_max = 70;
  double wrong_reward = 0;
  int64_t limit_scale = 4;
  int64_t limit_offset = 20;

  template <class V>
  void Visit(V& v) {
    TaskParams::Visit(v);
    v("length_min", length_min, configs::Range{1, 1'000'000}, "shortest corridor");
    v("length_max", length_max, configs::Range{1, 1'000'000}, "longest corridor");
    v("wrong_reward", wrong_reward, configs::Range{-1, 0}, "reward of the wrong arm");
    v("limit_scale", limit_scale, configs::Range{1, 100}, "limit of steps per cell of length");
    v("limit_offset", limit_offset, configs::Range{1, 1'000'000}, "limit of steps, constant part");
  }

  void Check() const {
    if (length_max >= length_min) return;
    throw std::invalid_argument(fmt::format("length_max is {}; allowed: >= length_min, {}", length_max, length_min));
  }
};

class TMaze {
 public:
  using Params = TMazeParams;
  static constexpr const char* kFamily = "TMaze";
  static constexpr int kVersion = 0;
  static constexpr const char* kRules = kTMazeRules;

  enum Arm : uint16_t { kNoArm, kUpperArm, kLowerArm };
  enum Place : uint8_t { kCorridor, kStart, kJunction, kInArm };

  struct State {
    int32_t length;
    int32_t cell;
    uint16_t signal;  // the arm that pays
    uint16_t arm;     // the one entered
  };

  explicit TMaze(const Params& params) : params_(params) {}

  Spec MakeSpec() const {
    Spec spec;
    spec.family = kFamily;
    spec.version = kVersion;
    spec.num_actions = 4;
    spec.action_names = {"up", "right", "down", "left"};
    spec.tokens = {{"signal: 0 none, 1 up, 2 down", 3, {"none", "up", "down"}},
                   {"place: 0 corridor, 1 start, 2 junction, 3 arm", 4, {"corridor", "start", "junction", "arm"}}};
    spec.metric_names = {"success", "wrong_arm", "length"};
    spec.curriculum_parameter = "length_max";
    spec.curriculum_min = static_cast<double>(params_.length_min);
    spec.curriculum_max = static_cast<double>(params_.length_max);
    return spec;
  }

  void Reset(State& state, Stream& random) const {
    const int64_t length = random.Between(params_.length_min, params_.length_max);
    Start(state, length, random.Between(kUpperArm, kLowerArm));
  }

  void Load(State& state, const Json& record) const {
    const int64_t length = IntegerField(record, "length", params_.length_min, params_.length_max);
    Start(state, length, IntegerField(record, "signal", kUpperArm, kLowerArm));
  }

  Json Record(const State& state) const { return {{"length", state.length}, {"signal", state.signal}}; }

  int64_t Limit(const State& state) const { return params_.limit_scale * state.length + params_.limit_offset; }

  Outcome Step(State& state, uint8_t action) const {
    const bool vertical = kRowStep[action] != 0;
    if (vertical & (state.cell == state.length)) return Enter(state, action == kUp ? kUpperArm : kLowerArm);
    state.cell = std::clamp(state.cell + kColumnStep[action], 0, state.length);
    return {};
  }

  // Sums instead of choices: where the rows of a batch are cannot be guessed by the processor.
  uint8_t* Observe(const State& state, uint8_t* tokens) const {
    const int at_start = state.cell == 0;
    const int at_end = state.cell == state.length;
    *tokens++ = static_cast<uint8_t>(at_start * state.signal);
    *tokens++ = static_cast<uint8_t>(at_start * kStart + at_end * (state.arm == kNoArm ? kJunction : kInArm));
    return tokens;
  }

  void Metrics(const State& state, float* metrics) const {
    metrics[0] = state.arm == state.signal;
    metrics[1] = state.arm != state.signal && state.arm != kNoArm;
    metrics[2] = static_cast<float>(state.length);
  }

  uint8_t Oracle(const State& state) const {
    if (state.cell < state.length) return kRight;
    return state.signal == kUpperArm ? kUp : kDown;
  }

  // "Walk right, then up."
  uint8_t Memoryless(const uint8_t* tokens, Stream&) const { return tokens[1] == kJunction ? kUp : kRight; }

  bool IsCue(const State& state) const { return state.cell == 0; }

  Picture MakePicture(const State& state) const {
    const auto cell_at = [&](int row, int column) { return CellAt(state, row, column); };
    const int row = state.arm == kNoArm ? 1 : state.arm == kUpperArm ? 0 : 2;
    return DrawPicture(3, state.length + 3, row, state.cell + 1, cell_at);
  }

  std::string Text(const State& state) const { return GridText(MakePicture(state)); }

 private:
  static void Start(State& state, int64_t length, int64_t signal) {
    state = {static_cast<int32_t>(length), 0, static_cast<uint16_t>(signal), kNoArm};
  }

  Outcome Enter(State& state, Arm arm) const {
    state.arm = arm;
    return {.reward = arm == state.signal ? 1 : params_.wrong_reward, .terminated = true};
  }

  // For people: cell 0 is drawn in column 1, beside its signal.
  static Cell CellAt(const State& state, int row, int column) {
    if (row != 1) return {column == state.length + 1 ? kFloor : kWall};
    if (column == 0) return {kSignal, static_cast<uint8_t>(state.signal)};
    return {column <= state.length + 1 ? kFloor : kWall};
  }

  Params params_;
};

// Random success exact; 0 stands for less than 1e-90.
LETHE_REGISTER_ENV(TMaze, {
                              {"TMaze-v0", {}, {1, 0.5, 0.01925}, 70},
                              {"TMaze-Short-v0", {{"length_max", 10}}, {1, 0.5, 0.14573}, 10},
                              {"TMaze-Long-v0", {{"length_min", 1'000}, {"length_max", 1'000}}, {1, 0.5, 0}, 1'000},
                          });

}  // namespace
}  // namespace lethe::envs
