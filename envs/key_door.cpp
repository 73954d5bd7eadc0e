#include <algorithm>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "envs/grid.h"
#include "envs/registration.h"
#include "envs/slots.h"

namespace lethe::envs {
namespace {

constexpr const char* kKeyDoorRules = R"(Take the key of the sign's colour, be kept busy, open the door of that key.

Three rooms. In the first a coloured sign is at the left end and keys of all C = `colors` colours at the right end.
Taking one leads to a room full of balls, which the agent leaves after `delay` steps whatever it does. The last room has
doors of all colours; the right door, opened with the right key, pays 1. Nothing in the last two rooms tells sign or
key.

    ####r#    #######    ####B#      length n = 4, two colours, the sign is blue, so the blue key
    b@...#    #.r...#    #@...#      (small letters) and the blue door (capitals) are right
    ####b#    #...b.#    ####R#
              #..@..#
              #.....#
              #b....#
              #######

**Rooms 1 and 3.** 3 rows, n + 2 columns, n = `length`. Row 1: the sign (in room 3 wall), n cells of floor, a wall. Rows
0 and 2 are wall, except for keys or doors: slot s of 0 .. C - 1 lies in column n - s / 2 (rounded up), row 0 if s is
even, row 2 if s is odd. The agent starts at (1, 1).

**Room 2.** A square of `room_size` x `room_size` cells of floor within a wall, with `balls` balls on it; the agent
starts in the middle.

**Moves.** Sign and wall cannot be entered; who cannot move loses the step. Entering a key takes it and puts the agent
in room 2. Entering a ball takes it: reward `distract_reward`. The `delay`-th step in room 2, after its move, puts the
agent in room 3. Entering a door terminates: reward 1 if key and door both have the sign's colour, else `wrong_reward`.

**Limit.** 2 * `limit_scale` * n + `limit_offset` + `delay` steps.

**Level.** The sign is uniform in 1 .. C, keys and doors are uniform permutations of 1 .. C over the slots, the balls
lie on uniformly chosen cells other than the middle in uniform colours of 1 .. C; all independent. Record: `sign`,
`keys` and `doors` (the colour of each slot), `balls` (the colour on each cell of room 2, row by row, 0 none).

**Metrics.** success, right_key, balls (taken), steps.

**Oracle.** Walks to the column of the key and takes it, runs against the upper wall in room 2, walks to the column of
the door and opens it: success 1 in n - s / 2 + `delay` + n - s' / 2 steps, s and s' the slots. It leaves balls alone
unless they are in its way, so with a `distract_reward` it has the best success, not the best return.

**Memory needed.** 2 n + `delay` - s / 2 - s' / 2 - (view - 1) / 2 steps, from the last sight of the sign to the choice
of the door. The colour is seen once more on the key that is taken, `delay` + n - s' / 2 steps before that choice.

**Without memory** success is at most 1 / C. Where a key is within reach the sign is out of view (`length` sees to it),
and every stay out there begins at the same cell, where nothing depends on the sign. So for given keys a stay that
starts with t steps left takes key k with probability p_k(t), or comes back inside after j steps with probability b_j,
whatever the sign, and all of these add up to at most 1. Let f_k(t) be the best chance to take key k under sign k.
Waiting inside does not help, as p_k and f_k never fall with t: f_k(t) <= p_k(t) + sum_j b_j f_k(t - j). Summed over k,
by induction: sum_k f_k(t) <= sum_k p_k(t) + sum_j b_j <= 1, and success under sign k needs key k. The sign is uniform,
so the bound is 1 / C. "The red key, the red door" reaches it.

**Random actions.** The colours are independent of the way, so key and door are right by chance 1 / C each; this times
the chance to open any door in time, by following the distribution over the cells of rooms 1 and 3.

**Source.** Hung et al., "Optimizing agent behavior over long time scales by transporting value", Nature Communications
10, 2019: Key-to-Door, with a key, then distracting rewards, then a door that opens to those who took the key. Ours:
colours and the sign, so that the way to the key is no secret and its colour is; keys and doors that are walked into;
the fixed stay; all sizes.
)";

struct KeyDoorParams : GridParams {
  int64_t length = 5;
  int64_t colors = 2;
  int64_t room_size = 5;
  int64_t balls = 8;
  int64_t delay = 100;
  double distract_reward = 0;
  int64_t limit_scale = 4;
  int64_t limit_offset = 20;

  template <class V>
  void Visit(V& v) {
    GridParams::Visit(v);
    v("length", length, configs::Range{3, 100}, "length of the first and the last room");
    v("colors", colors, configs::Range{2, 8}, "number of keys and of doors, each of its own colour");
    v("room_size", room_size, configs::Range{3, 31, 2}, "side of the room between, odd");
    v("balls", balls, configs::Range{0, 960}, "number of balls in the room between");
    v("delay", delay, configs::Range{1, 1'000'000}, "steps in the room between");
    v("distract_reward", distract_reward, configs::Range{0, 1}, "reward of a ball");
    v("limit_scale", limit_scale, configs::Range{1, 100}, "limit of steps per cell of length");
    v("limit_offset", limit_offset, configs::Range{0, 1'000'000}, "limit of steps, constant part");
  }

  void Check() const {
    const int64_t shortest = std::max<int64_t>(3, (colors + 1) / 2 + view / 2);  // no key with the sign in view
    if (length < shortest) {
      throw std::invalid_argument(
          fmt::format("length is {}; allowed with {} colors and view {}: >= {}", length, colors, view, shortest));
    }
    if (balls > room_size * room_size - 1) {
      throw std::invalid_argument(
          fmt::format("balls is {}; allowed with room_size {}: 0..{}", balls, room_size, room_size * room_size - 1));
    }
  }
};

class KeyDoor {
 public:
  using Params = KeyDoorParams;
  static constexpr const char* kFamily = "KeyDoor";
  static constexpr int kVersion = 0;
  static constexpr const char* kRules = kKeyDoorRules;

  struct State {
    int32_t delay;
    int32_t stay;  // steps left in room 2; -1 elsewhere
    int32_t row;
    int32_t column;
    int32_t balls;  // taken
    uint8_t room;   // 1, 2 or 3
    uint8_t sign;
    uint8_t key;   // colour of the one taken, 0 none
    uint8_t door;  // colour of the one opened, 0 none
    Slots keys;
    Slots doors;
  };  // the map of the present room follows, then the balls as they lay at first

  explicit KeyDoor(const Params& params)
      : params_(params),
        view_(static_cast<int>(params.view)),
        half_(view_ / 2),
        length_(static_cast<int>(params.length)),
        colors_(static_cast<int>(params.colors)),
        side_(static_cast<int>(params.room_size)),
        map_rows_(side_ + 2 + 2 * half_),
        map_columns_(std::max(length_, side_) + 2 + 2 * half_) {}

  size_t TailBytes() const { return MapBytes() + NumCells(); }

  Spec MakeSpec() const {
    Spec spec = GridSpec(kFamily, kVersion, params_.view);
    for (size_t i = 0; i < spec.tokens.size(); i += 2) spec.tokens[i].vocabulary = kKey + 1;
    spec.metric_names = {"success", "right_key", "balls"};
    spec.curriculum_parameter = "delay";
    spec.curriculum_min = 1;
    spec.curriculum_max = static_cast<double>(params_.delay);
    return spec;
  }

  void Reset(State& state, Stream& random) const {
    Start(state, random.Between(1, colors_));
    DrawSlots(state.keys, colors_, random);
    DrawSlots(state.doors, colors_, random);
    DrawBalls(Balls(state), random);
    Enter(state, 1);
  }

  void Load(State& state, const Json& record) const {
    Start(state, IntegerField(record, "sign", 1, colors_));
    LoadSlots(state.keys, colors_, record, "keys");
    LoadSlots(state.doors, colors_, record, "doors");
    LoadBalls(Balls(state), Field(record, "balls"));
    Enter(state, 1);
  }

  Json Record(const State& state) const {
    const auto balls = Balls(state);
    return {{"sign", state.sign},
            {"keys", RecordSlots(state.keys, colors_)},
            {"doors", RecordSlots(state.doors, colors_)},
            {"balls", std::vector<int>(balls.begin(), balls.end())}};
  }

  int64_t Limit(const State& state) const {
    return 2 * params_.limit_scale * length_ + params_.limit_offset + state.delay;
  }

  // Keys and doors are rare, and all else is done without a branch that the processor would have to guess.
  Outcome Step(State& state, uint8_t action) const {
    const int row = state.row + kRowStep[action];
    const int column = state.column + kColumnStep[action];
    Cell& cell = TailOf<Cell>(state)[MapIndex(row, column)];
    if (cell.kind == kKey) return TakeKey(state, cell.color);
    if (cell.kind == kDoor) return OpenDoor(state, row, cell.color);
    const bool is_ball = cell.kind == kBall;
    const bool is_free = is_ball | (cell.kind == kFloor);
    state.row += is_free * kRowStep[action];
    state.column += is_free * kColumnStep[action];
    cell = is_ball ? Cell{kFloor} : cell;
    state.balls += is_ball;
    state.stay -= state.room == 2;
    if (state.stay == 0) Enter(state, 3);
    return {.reward = is_ball * params_.distract_reward};
  }

  uint8_t* Observe(const State& state, uint8_t* tokens) const {
    const Cell* from = TailOf<Cell>(state) + MapIndex(state.row - half_, state.column - half_);
    for (int row = 0; row < view_; ++row, from += map_columns_) {
      for (int column = 0; column < view_; ++column, tokens += sizeof(Cell)) {
        std::memcpy(tokens, from + column, sizeof(Cell));  // kind, then colour
      }
    }
    return tokens;
  }

  void Metrics(const State& state, float* metrics) const {
    metrics[0] = IsSuccess(state);
    metrics[1] = state.key == state.sign;
    metrics[2] = static_cast<float>(state.balls);
  }

  uint8_t Oracle(const State& state) const {
    if (state.room == 2) return kUp;
    const Slots& slots = state.room == 1 ? state.keys : state.doors;
    const auto slot = static_cast<int>(std::ranges::find(slots, state.sign) - slots.begin());
    const int column = ColumnOfSlot(slot, length_);
    if (state.column != column) return state.column < column ? kRight : kLeft;
    return RowOfSlot(slot) == 0 ? kUp : kDown;
  }

  // "The red key, the red door": right, until one of them is above or below.
  uint8_t Memoryless(const uint8_t* tokens, Stream&) const {
    const uint8_t* above = tokens + ptrdiff_t{2} * ((half_ - 1) * view_ + half_);
    if (IsRed(above)) return kUp;
    return IsRed(above + ptrdiff_t{4} * view_) ? kDown : kRight;
  }

  bool IsCue(const State& state) const { return state.room == 1 && state.column <= half_; }

  Picture MakePicture(const State& state) const {
    const auto cell_at = [&](int row, int column) { return TailOf<Cell>(state)[MapIndex(row, column)]; };
    return DrawPicture(Rows(state), Columns(state), state.row, state.column, cell_at);
  }

  std::string Text(const State& state) const {
    return fmt::format("room {}\n", state.room) + GridText(MakePicture(state));
  }

 private:
  size_t NumCells() const { return static_cast<size_t>(side_) * side_; }

  size_t MapBytes() const { return sizeof(Cell) * map_rows_ * map_columns_; }

  std::span<uint8_t> Balls(State& state) const { return {TailOf<uint8_t>(state, MapBytes()), NumCells()}; }
  std::span<const uint8_t> Balls(const State& state) const { return {TailOf<uint8_t>(state, MapBytes()), NumCells()}; }

  // As much lies around every room as can be seen.
  int MapIndex(int row, int column) const { return (row + half_) * map_columns_ + column + half_; }

  int Rows(const State& state) const { return state.room == 2 ? side_ + 2 : 3; }
  int Columns(const State& state) const { return 2 + (state.room == 2 ? side_ : length_); }

  void Start(State& state, int64_t sign) const {
    state = {};
    state.delay = static_cast<int32_t>(params_.delay);
    state.sign = static_cast<uint8_t>(sign);
  }

  void DrawBalls(std::span<uint8_t> balls, Stream& random) const {
    std::ranges::fill(balls, uint8_t{0});
    for (int i = 0; i < params_.balls; ++i) balls[i] = static_cast<uint8_t>(random.Between(1, colors_));
    random.Shuffle(balls.first(balls.size() - 1));
    std::swap(balls[balls.size() / 2], balls.back());  // the middle is free
  }

  void LoadBalls(std::span<uint8_t> balls, const Json& list) const {
    if (!list.is_array() || list.size() != balls.size()) {
      throw std::invalid_argument(fmt::format("balls is {}; allowed: a list of {}", list.dump(), balls.size()));
    }
    int64_t count = 0;
    for (size_t i = 0; i < balls.size(); ++i) {
      const int most = i == balls.size() / 2 ? 0 : colors_;
      balls[i] = static_cast<uint8_t>(IntegerIn(list[i], fmt::format("balls[{}]", i), 0, most));
      count += balls[i] != 0;
    }
    if (count == params_.balls) return;
    throw std::invalid_argument(fmt::format("balls has {} balls; allowed: {}", count, params_.balls));
  }

  // Draws the map and puts the agent in its place.
  void Enter(State& state, int room) const {
    state.room = static_cast<uint8_t>(room);
    state.row = state.column = room == 2 ? side_ / 2 + 1 : 1;
    state.stay = room == 2 ? state.delay : -1;
    Cell* map = TailOf<Cell>(state);
    std::fill_n(map, map_rows_ * map_columns_, Cell{kOutside});
    for (int row = 0; row < Rows(state); ++row) std::fill_n(map + MapIndex(row, 0), Columns(state), Cell{kWall});
    room == 2 ? FillSquare(state, map) : FillCorridor(state, map);
  }

  void FillSquare(const State& state, Cell* map) const {
    const uint8_t* ball = Balls(state).data();
    for (int row = 1; row <= side_; ++row) {
      for (int column = 1; column <= side_; ++column, ++ball) {
        map[MapIndex(row, column)] = *ball == 0 ? Cell{kFloor} : Cell{kBall, *ball};
      }
    }
  }

  void FillCorridor(const State& state, Cell* map) const {
    std::fill_n(map + MapIndex(1, 1), length_, Cell{kFloor});
    if (state.room == 1) map[MapIndex(1, 0)] = {kSignal, state.sign};
    const Slots& slots = state.room == 1 ? state.keys : state.doors;
    const Kind kind = state.room == 1 ? kKey : kDoor;
    for (int slot = 0; slot < colors_; ++slot) {
      map[MapIndex(RowOfSlot(slot), ColumnOfSlot(slot, length_))] = {kind, slots[slot]};
    }
  }

  Outcome TakeKey(State& state, uint8_t color) const {
    state.key = color;
    Enter(state, 2);
    return {};
  }

  Outcome OpenDoor(State& state, int row, uint8_t color) const {
    state.row = row;
    state.door = color;
    return {.reward = IsSuccess(state) ? 1 : params_.wrong_reward, .terminated = true};
  }

  static bool IsSuccess(const State& state) { return state.key == state.sign && state.door == state.sign; }

  static bool IsRed(const uint8_t* cell) { return (cell[0] == kKey || cell[0] == kDoor) && cell[1] == 1; }

  Params params_;
  int view_;
  int half_;  // cells seen on each side of the agent
  int length_;
  int colors_;
  int side_;  // of the floor of room 2
  int map_rows_;
  int map_columns_;
};

// Random success exact.
LETHE_REGISTER_ENV(KeyDoor, {
                                {"KeyDoor-v0", {}, {1, 0.5, 0.06811}, 109},
                                {"KeyDoor-Short-v0", {{"delay", 10}}, {1, 0.5, 0.06811}, 19},
                                {"KeyDoor-Long-v0", {{"delay", 1'000}}, {1, 0.5, 0.06811}, 1'009},
                            });

}  // namespace
}  // namespace lethe::envs
