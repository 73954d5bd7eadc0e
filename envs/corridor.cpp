#include <algorithm>
#include <array>
#include <stdexcept>
#include <string>

#include <fmt/format.h>

#include "envs/grid.h"
#include "envs/registration.h"
#include "envs/slots.h"

namespace lethe::envs {
namespace {

// The rules for people: `lethe envs Corridor-v0` and docs/envs/corridor.md show them.
constexpr const char* kCorridorRules = R"(Keep one fact over a long empty time.

The agent starts beside a coloured signal at the left end of a corridor. At the right end are doors, one of each colour;
the door of the signal's colour pays 1. On the way nothing tells the colour.

    ####R#      length n = 4, two colours, cue blue, doors [1, 2] (red, blue); the agent @ starts at (1, 1)
    b@...#      signal at (1, 0), floor (1, 1) .. (1, n), wall (1, n + 1)
    ####B#

**Grid.** 3 rows, n + 2 columns. Row 1: the signal, n cells of floor, a wall. Rows 0 and 2 are wall, except for the doors:
slot s of 0 .. C - 1 lies in column n - s / 2 (rounded up), row 0 if s is even, row 2 if s is odd. C = `colors`.

**Moves.** Floor and doors can be entered, signal and wall cannot; who cannot move loses the step. Entering a door
terminates: reward 1 if its colour is the cue, else `wrong_reward`.

**Limit.** `limit_scale` * n + `limit_offset` steps.

**Level.** n in `length_min` .. `length_max` by `length_dist`: uniform, or log_uniform, n = min(length_max, floor(exp(u)))
with u uniform in [ln length_min, ln(length_max + 1)). The cue is uniform in 1 .. C, the doors are a uniform permutation of
1 .. C over the slots; all independent. Record: `length`, `cue`, `doors` (the colour of each slot).

**Metrics.** success, wrong_door (both 0: out of time), length, steps.

**Oracle.** Walks to the column of the cue's door, then up or down: success 1 in n - s / 2 steps.

**Memory needed.** n - s / 2 - (view - 1) / 2 steps, from the last sight of the signal to the choice of the door.

**Without memory** success is at most 1 / C. Where a door is within reach the signal is out of view (`length_min` sees to
it), and every stay out there begins at the same cell, where nothing depends on the cue. So for given length and doors a
stay that starts with t steps left ends in door k with probability p_k(t), or comes back inside after j steps with
probability b_j, whatever the cue, and all of these add up to at most 1. Let f_k(t) be the best chance of success under
cue k. Waiting inside does not help, as p_k and f_k never fall with t: f_k(t) <= p_k(t) + sum_j b_j f_k(t - j). Summed over
k, by induction: sum_k f_k(t) <= sum_k p_k(t) + sum_j b_j <= 1, and the cue is uniform. "Walk right, then up" reaches it.

**Source.** Sukhbaatar et al., arXiv:2105.06548: signal and doors at opposite ends, two colours, lengths 3..200, view 3x3,
four moves, reward 1. Ours: the geometry, the end at a wrong door, the limit, more colours, the long variants.
)";

struct CorridorParams : GridParams {
  int64_t length_min = 3;
  int64_t length_max = 200;
  std::string length_dist = "uniform";
  int64_t colors = 2;
  int64_t limit_scale = 4;
  int64_t limit_offset = 20;

  template <class V>
  void Visit(V& v) {
    GridParams::Visit(v);
    v("length_min", length_min, configs::Range{3, 1'000'000}, "shortest corridor");
    v("length_max", length_max, configs::Range{3, 1'000'000}, "longest corridor");
    v("length_dist", length_dist, configs::OneOf{{"uniform", "log_uniform"}}, "how lengths are drawn");
    v("colors", colors, configs::Range{2, 8}, "number of doors, each of its own colour");
    v("limit_scale", limit_scale, configs::Range{1, 100}, "limit of steps per cell of length");
    v("limit_offset", limit_offset, configs::Range{0, 1'000'000}, "limit of steps, constant part");
  }

  void Check() const {
    const int64_t shortest = std::max<int64_t>(3, (colors + 1) / 2 + view / 2);  // no door with the signal in view
    if (length_min < shortest) {
      throw std::invalid_argument(fmt::format("length_min is {}; allowed with {} colors and view {}: >= {}", length_min,
                                              colors, view, shortest));
    }
    if (length_max < length_min) {
      throw std::invalid_argument(fmt::format("length_max is {}; allowed: >= length_min, {}", length_max, length_min));
    }
  }
};

class Corridor {
 public:
  using Params = CorridorParams;
  static constexpr const char* kFamily = "Corridor";
  static constexpr int kVersion = 0;
  static constexpr const char* kRules = kCorridorRules;

  struct State {
    int32_t length;
    int32_t column;
    uint16_t row;  // 1 until a door is entered
    uint16_t cue;
    Slots doors;
  };

  explicit Corridor(const Params& params)
      : params_(params),
        view_(static_cast<int>(params.view)),
        half_(view_ / 2),
        colors_(static_cast<int>(params.colors)),
        door_columns_((colors_ + 1) / 2) {
    const State endless{.length = 1 << 30, .column = 1 << 20, .row = 1, .cue = 1, .doors = {}};
    Draw(endless, empty_view_.data());
  }

  Spec MakeSpec() const {
    Spec spec = GridSpec(kFamily, kVersion, params_.view);
    spec.metric_names = {"success", "wrong_door", "length"};
    spec.curriculum_parameter = "length_max";
    spec.curriculum_min = static_cast<double>(params_.length_min);
    spec.curriculum_max = static_cast<double>(params_.length_max);
    return spec;
  }

  void Reset(State& state, Stream& random) const {
    const bool uniform = params_.length_dist == "uniform";
    const int64_t length = uniform ? random.Between(params_.length_min, params_.length_max)
                                   : random.LogUniformBetween(params_.length_min, params_.length_max);
    Start(state, length, random.Between(1, colors_));
    DrawSlots(state.doors, colors_, random);
  }

  void Load(State& state, const Json& record) const {
    const int64_t length = IntegerField(record, "length", params_.length_min, params_.length_max);
    const int64_t cue = IntegerField(record, "cue", 1, colors_);
    Start(state, length, cue);
    LoadSlots(state.doors, colors_, record, "doors");
  }

  Json Record(const State& state) const {
    return {{"length", state.length}, {"cue", state.cue}, {"doors", RecordSlots(state.doors, colors_)}};
  }

  int64_t Limit(const State& state) const { return params_.limit_scale * state.length + params_.limit_offset; }

  // Written so that the processor has no branch to guess on the long empty way: which action comes is unpredictable,
  // whether a door is near is not.
  Outcome Step(State& state, uint8_t action) const {
    const bool vertical = kRowStep[action] != 0;
    if (vertical & (state.column > state.length - door_columns_)) return TryDoor(state, action);
    state.column = std::clamp(state.column + kColumnStep[action], 1, state.length);
    return {};
  }

  uint8_t* Observe(const State& state, uint8_t* tokens) const {
    const bool nothing_in_view = (state.column > half_) & (state.column + half_ <= state.length - door_columns_);
    if (!nothing_in_view) return Draw(state, tokens);
    return std::copy_n(empty_view_.data(), 2 * view_ * view_, tokens);
  }

  void Metrics(const State& state, float* metrics) const {
    const bool entered = state.row != 1;
    const bool success = entered && state.doors[SlotAt(state, state.row, state.column)] == state.cue;
    metrics[0] = success;
    metrics[1] = entered && !success;
    metrics[2] = static_cast<float>(state.length);
  }

  uint8_t Oracle(const State& state) const {
    const auto slot = static_cast<int>(std::ranges::find(state.doors, state.cue) - state.doors.begin());
    const int column = state.length - slot / 2;
    if (state.column != column) return state.column < column ? kRight : kLeft;
    return slot % 2 == 0 ? kUp : kDown;
  }

  bool IsCue(const State& state) const { return state.column <= half_; }

  // "Walk right, then up." Seen from the column of a door, the cell above the agent is that door.
  uint8_t Memoryless(const uint8_t* tokens, Stream&) const {
    const int above = (half_ - 1) * view_ + half_;
    return tokens[2 * above] == kDoor ? kUp : kRight;
  }

  Picture MakePicture(const State& state) const {
    const auto cell_at = [&](int row, int column) { return CellAt(state, row, column); };
    return DrawPicture(3, state.length + 2, state.row, state.column, cell_at);
  }

  std::string Text(const State& state) const { return GridText(MakePicture(state)); }

 private:
  static void Start(State& state, int64_t length, int64_t cue) {
    state = {};
    state.length = static_cast<int32_t>(length);
    state.cue = static_cast<uint16_t>(cue);
    state.row = state.column = 1;
  }

  // The slot whose door is at this cell, or -1.
  int SlotAt(const State& state, int row, int column) const { return envs::SlotAt(state.length, colors_, row, column); }

  Cell CellAt(const State& state, int row, int column) const {
    if (row < 0 || row > 2 || column < 0 || column > state.length + 1) return {kOutside};
    if (const int slot = SlotAt(state, row, column); slot >= 0) return {kDoor, state.doors[slot]};
    if (row != 1 || column == state.length + 1) return {kWall};
    if (column == 0) return {kSignal, static_cast<uint8_t>(state.cue)};
    return {kFloor};
  }

  uint8_t* Draw(const State& state, uint8_t* tokens) const {
    const auto cell_at = [&](int row, int column) { return CellAt(state, row, column); };
    return DrawView(view_, state.row, state.column, cell_at, tokens);
  }

  Outcome TryDoor(State& state, uint8_t action) const {
    const int row = state.row + kRowStep[action];
    const int slot = SlotAt(state, row, state.column);
    if (slot < 0) return {};
    state.row = static_cast<uint16_t>(row);
    return {.reward = state.doors[slot] == state.cue ? 1 : params_.wrong_reward, .terminated = true};
  }

  Params params_;
  int view_;
  int half_;  // cells seen on each side of the agent
  int colors_;
  // The last columns, that have doors.
  int door_columns_;
  // What is seen where neither the signal nor the far end is in view.
  std::array<uint8_t, size_t{2} * 15 * 15> empty_view_{};
};

// Random success exact, by following the distribution over cells; 0 stands for less than 1e-90.
LETHE_REGISTER_ENV(
    Corridor,
    {
        {"Corridor-v0", {}, {1, 0.5, 0.00959}, 199},
        {"Corridor-Short-v0", {{"length_max", 20}}, {1, 0.5, 0.10463}, 19},
        {"Corridor-4c-v0", {{"colors", 4}}, {1, 0.25, 0.00663}, 199},
        {"Corridor-8c-v0", {{"colors", 8}, {"length_min", 5}}, {1, 0.125, 0.00375}, 199},
        {"Corridor-1k-v0", {{"length_min", 1'000}, {"length_max", 1'000}}, {1, 0.5, 0}, 999},
        {"Corridor-10k-v0", {{"length_min", 10'000}, {"length_max", 10'000}}, {1, 0.5, 0}, 9'999},
        {"Corridor-100k-v0", {{"length_min", 100'000}, {"length_max", 100'000}}, {1, 0.5, 0}, 99'999},
        {"Corridor-1k-Mix-v0", {{"length_dist", "log_uniform"}, {"length_max", 1'000}}, {1, 0.5, 0.05979}, 999},
        {"Corridor-10k-Mix-v0", {{"length_dist", "log_uniform"}, {"length_max", 10'000}}, {1, 0.5, 0.04282}, 9'999},
        {"Corridor-100k-Mix-v0", {{"length_dist", "log_uniform"}, {"length_max", 100'000}}, {1, 0.5, 0.03335}, 99'999},
    });

}  // namespace
}  // namespace lethe::envs
