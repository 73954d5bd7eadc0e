#include <algorithm>
#include <array>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "envs/grid.h"
#include "envs/registration.h"

namespace lethe::envs {
namespace {

// The rules for people: `lethe envs Portal-v0` and docs/envs/portal.md show them.
constexpr const char* kPortalRules = R"(Learn by trial which door of each of many rooms is right, and keep it.

Every room has two doors of different colours. One leads on to the next room, the other back to room 1; which is which
is drawn for every room and episode and cannot be seen. The number of the room can.

    #####
    #...#      a room of size S = 5: wall around 3 x 3 cells of floor, the agent @ on its landing cell,
    R.@.B      a red door at (2, 0), a blue one at (2, 4)
    #...#
    #####

**Grid.** One room at a time, S x S cells, S = `room_size`. The ring (row or column 0 or S - 1) is wall except for the
two doors, the inner cells are floor, beyond is nothing. With `door_places` sides door 0 is at (m, 0) and door 1 at
(m, S - 1), m = (S - 1) / 2; with random they are two different cells of the ring, no corners. One token more than the
view: the number of the room, 1 .. `rooms`, or 0 if `show_room` is false.

**Start.** Room 1, at its landing cell: the centre (m, m), or with `landing` random one cell of floor per room, the
same for the whole episode.

**Moves.** Floor and doors can be entered, wall cannot; who cannot move loses the step. Entering a door of room k:

- The right one: room k is passed, reward `reward_scale` * k (with `reward_once` only for its first pass). If k =
  `rooms` the episode terminates, else the agent is put on the landing cell of room k + 1 at once.
- The wrong one: reward `wrong_reward`, one mistake more in room k. If there are `mistake_limit` of them, and that is
  not 0, the episode terminates, else the agent is put on the landing cell of room 1, also if k = 1.

On termination the agent stays on the door. Mistakes and passes count over the whole episode. That a door was wrong
shows in nothing but the number of the room.

**Limit.** 1,000 steps.

**Level**, for each room and independent: door cells; an ordered pair of different colours of 1 .. `colors`, uniform;
right door 0 or 1, equally likely; landing cell. Record: `rooms`, a list of {`doors`: two of [row, column, colour],
`right`, `start`: [row, column]}, room 1 first.

**Metrics.** deepest_room (largest number of a room the agent was in; the score), success (1 if the last room was
passed), rooms_passed (different ones), passes (all), mistakes (all), steps.

**Oracle.** Remembers everything, but sees no hidden door. In room k: if k was passed before it takes its right door;
else, if a door of k was tried, the other one than last; else door 0. Let s be the steps from landing to door, 2 in
Portal-v0. Until room k is passed first, each room j <= k costs s steps if door 0 is right, else s (j + 1), for the
way back to it; so the sum over k of P(time <= limit) gives its expected depth, 43.04. It passes room 50 in 3.5% of
episodes. Its return is 711.2 (91.2 with `reward_once`). Who saw the hidden doors would need 100 steps and return
127.5 only: paid passes make the return a poor measure of memory, so agents are compared by deepest_room.

**Memory needed.** After a mistake in room m every choice in rooms 1 .. m uses what was seen s (m - 1) + 1 steps
earlier, on the shortest route: at most s (`rooms` - 1) + 1.

**Without memory** deepest_room is at most 2.9006, and below 4 by proof. Every visit of a room starts with the same
observation on the same cell, so a policy without memory is one number per room, the probability p_k of ending at door
0. Let q_j be the chance per visit of the right door of room j, p_j or 1 - p_j, and w_j = q_1 ... q_(j-1) (1 - q_j).
With `mistake_limit` 2,

    P(room k + 1 is reached) = mean over the hidden doors of  q_1 ... q_k * sum over m of  m! e_m(w_1 .. w_k)

with e_m the elementary symmetric polynomial: m mistakes are in m different rooms, in any order. The expected depth is
1 plus the sum over k. Maximised numerically over all p_k, from five starting points, it is 2.9006 at p_k = 1/2
everywhere; a limit of time only lowers it. A fair coin at each landing reaches it; always the same door gives 2.
Proof of the ceiling: the first visit of a room succeeds with probability 1/2, a second one, if there is one, adds
P(wrong, then right) = p (1 - p) <= 1/4. So P(depth >= k) <= (3/4)^(k - 1), the expected depth is below 4, and the
return is at most 0.1 * sum over k of (k - 1 + k (k - 1) / 2) (3/4)^(k - 1) = 6.0, as each deeper room lets a room be
passed once more at most.

**Random actions** reach 2.90 in Portal-v0: every visit is a fair coin, only slower.

**Source.** Sukhbaatar et al., arXiv:2105.06548: 50 rooms of 5x5, two doors of different colours, the right one leads
on and the wrong one to room 1, room number seen, view 3x3, reward 0.1 k on passing room k, end at two mistakes in one
room, at the last room or after 1,000 steps. Ours, as the paper does not say: walls within the 5x5, so that a round
through all rooms takes 100 steps, the span of the paper, and room 50 is neither trivial nor out of reach; doors in
the middle of two walls and landing at the centre, so that nothing but the hidden bit has to be found and position
tells nothing; the number as a token of its own; pay for every pass; mistakes that a pass does not reset.
)";

struct PortalParams : GridParams {
  int64_t rooms = 50;
  int64_t room_size = 5;
  std::string door_places = "sides";
  std::string landing = "centre";
  int64_t colors = 2;
  bool show_room = true;
  double reward_scale = 0.1;
  bool reward_once = false;
  int64_t mistake_limit = 2;

  template <class V>
  void Visit(V& v) {
    GridParams::Visit(v);
    v("rooms", rooms, configs::Range{2, 255}, "number of rooms");
    v("room_size", room_size, configs::Range{5, 15, 2}, "side of a room with its walls, odd");
    v("door_places", door_places, configs::OneOf{{"sides", "random"}}, "where the doors of a room are");
    v("landing", landing, configs::OneOf{{"centre", "random"}}, "where the agent lands in a room");
    v("colors", colors, configs::Range{2, 8}, "colours that doors can have");
    v("show_room", show_room, configs::Any{}, "the number of the room is observed");
    v("reward_scale", reward_scale, configs::Range{.lo = 0, .hi = 100, .lo_open = true},
      "reward of passing room k, per k");
    v("reward_once", reward_once, configs::Any{}, "only the first pass of a room is paid");
    v("mistake_limit", mistake_limit, configs::Range{0, 1'000}, "mistakes in one room that end the episode; 0: none");
  }
};

class Portal {
 public:
  using Params = PortalParams;
  static constexpr const char* kFamily = "Portal";
  static constexpr int kVersion = 0;
  static constexpr const char* kRules = kPortalRules;

  // Cells of a room are numbered row by row.
  struct State {
    uint32_t passes;
    uint32_t mistakes;
    uint8_t rooms;     // of this episode
    uint8_t room;      // the present one, from 1
    uint8_t deepest;   // largest room so far
    uint8_t passed;    // number of different rooms passed
    uint8_t position;  // cell of the agent; a door after termination
    uint8_t landed;    // 1: just put here by a door
    std::array<uint8_t, 2> unused;
  };

  // The tail of the state: one per room.
  struct Room {
    std::array<uint8_t, 2> doors;   // their cells
    std::array<uint8_t, 2> colors;  // and colours
    uint8_t start;                  // landing cell
    uint8_t right : 1;              // the door that leads on
    uint8_t passed : 1;
    uint8_t tried : 1;  // a door was wrong ...
    uint8_t wrong : 1;  // ... the last time this one
    uint8_t : 4;
    uint16_t mistakes;  // up to mistake_limit
  };

  explicit Portal(const Params& params)
      : params_(params),
        view_(static_cast<int>(params.view)),
        view_cells_(view_ * view_),
        show_room_(params.show_room ? 0xFF : 0),
        size_(static_cast<int>(params.room_size)),
        cells_(size_ * size_),
        steps_{-size_, 1, size_, -1},
        random_doors_(params.door_places == "random"),
        random_landing_(params.landing == "random") {
    for (int cell = 0; cell < cells_; ++cell) {
      const int at_end = (RowOf(cell) % (size_ - 1) == 0) + (ColumnOf(cell) % (size_ - 1) == 0);
      if (at_end == 0) floor_.push_back(static_cast<uint8_t>(cell));
      if (at_end == 1) ring_.push_back(static_cast<uint8_t>(cell));
    }
    MakeMoves();
    MakeViews();
    MakeChoices();
  }

  size_t TailBytes() const { return static_cast<size_t>(params_.rooms) * sizeof(Room); }

  Spec MakeSpec() const {
    Spec spec = GridSpec(kFamily, kVersion, params_.view);
    spec.tokens.push_back({"number of the room", 256});
    spec.metric_names = {"deepest_room", "success", "rooms_passed", "passes", "mistakes"};
    spec.score_metric = "deepest_room";
    spec.curriculum_parameter = "rooms";
    spec.curriculum_min = 2;
    spec.curriculum_max = static_cast<double>(params_.rooms);
    return spec;
  }

  void Reset(State& state, Stream& random) const {
    for (int room = 1; room <= params_.rooms; ++room) RoomAt(state, room) = DrawRoom(random);
    Start(state);
  }

  void Load(State& state, const Json& record) const {
    const Json& rooms = Field(record, "rooms");
    if (!rooms.is_array() || rooms.size() != static_cast<size_t>(params_.rooms)) {
      throw std::invalid_argument(fmt::format("rooms is no list of {} rooms", params_.rooms));
    }
    for (int room = 1; room <= params_.rooms; ++room) {
      RoomAt(state, room) = LoadRoom(rooms[room - 1], fmt::format("rooms[{}]", room - 1));
    }
    Start(state);
  }

  Json Record(const State& state) const {
    Json rooms = Json::array();
    for (int number = 1; number <= state.rooms; ++number) {
      const Room& room = RoomAt(state, number);
      Json doors = Json::array();
      for (int door : {0, 1}) doors.push_back({RowOf(room.doors[door]), ColumnOf(room.doors[door]), room.colors[door]});
      rooms.push_back(
          {{"doors", doors}, {"right", int{room.right}}, {"start", {RowOf(room.start), ColumnOf(room.start)}}});
    }
    return {{"rooms", rooms}};
  }

  int64_t Limit(const State&) const { return 1'000; }

  // Which way the agent goes is unpredictable, so a table tells where it comes to; that it finds a door is rare.
  Outcome Step(State& state, uint8_t action) const {
    const auto [door, other_door] = RoomAt(state, state.room).doors;
    const int target = state.position + steps_[action];
    state.landed = 0;
    if ((target == door) | (target == other_door)) [[unlikely]] {
      return Enter(state, target);
    }
    state.position = moves_[4 * state.position + action];
    return {};
  }

  // The room without doors as seen from here, then the doors that are in view. Written so that the processor has no
  // branch to guess: whether a door is in view is unpredictable.
  uint8_t* Observe(const State& state, uint8_t* tokens) const {
    static_assert((kWall | kDoor) == kDoor);
    const Room& room = RoomAt(state, state.room);
    uint8_t* end = CopyView(&views_[size_t{state.position} * view_cells_], view_, view_, tokens);
    const Place* places = &places_[size_t{state.position} * cells_];
    for (int door : {0, 1}) {
      const Place place = places[room.doors[door]];
      uint8_t* cell = tokens + size_t{2} * place.index;
      cell[0] |= place.is_seen & kDoor;
      cell[1] |= place.is_seen & room.colors[door];
    }
    *end = state.room & show_room_;
    return end + 1;
  }

  void Metrics(const State& state, float* metrics) const {
    metrics[0] = state.deepest;
    metrics[1] = RoomAt(state, state.rooms).passed;
    metrics[2] = state.passed;
    metrics[3] = static_cast<float>(state.passes);
    metrics[4] = static_cast<float>(state.mistakes);
  }

  // Nothing stands in a room, so the number of moves to a door is the sum of the differences of row and column.
  uint8_t Oracle(const State& state) const {
    const Room& room = RoomAt(state, state.room);
    const int door = room.passed ? room.right : room.tried && room.wrong == 0;
    const int to = room.doors[door];
    const auto moves_left = [&](int from) {
      if (from != to && IsRing(from)) return 4 * size_;  // wall, or the other door
      return std::abs(RowOf(from) - RowOf(to)) + std::abs(ColumnOf(from) - ColumnOf(to));
    };
    const auto fewer = [&](uint8_t a, uint8_t b) {
      return moves_left(state.position + steps_[a]) < moves_left(state.position + steps_[b]);
    };
    return std::min({uint8_t{kUp}, uint8_t{kRight}, uint8_t{kDown}, uint8_t{kLeft}}, fewer);
  }

  bool IsCue(const State& state) const { return state.landed; }

  // A fair coin: to the nearest door in view; while there is none, to either side, or anywhere if doors and landing are
  // not both on the middle row.
  uint8_t Memoryless(const uint8_t* tokens, Stream& random) const {
    const Offset door = NearestDoor(tokens, random);
    if (door.moves() > 0) return MoveTowards(tokens, door);
    if (random_doors_ || random_landing_) return static_cast<uint8_t>(random.Below(4));
    return random.Below(2) == 0 ? kLeft : kRight;
  }

  Picture MakePicture(const State& state) const {
    const Room& room = RoomAt(state, state.room);
    Picture picture{size_, size_, {}, RowOf(state.position), ColumnOf(state.position)};
    for (int cell = 0; cell < cells_; ++cell) picture.cells.push_back({IsRing(cell) ? kWall : kFloor});
    for (int door : {0, 1}) picture.cells[room.doors[door]] = {kDoor, room.colors[door]};
    return picture;
  }

  std::string Text(const State& state) const {
    return fmt::format("room {}\n{}", state.room, GridText(MakePicture(state)));
  }

 private:
  // Where in the view a cell is.
  struct Place {
    uint8_t index = 0;
    uint8_t is_seen = 0;  // all bits, or none
  };

  static Room& RoomAt(State& state, int number) { return TailOf<Room>(state)[number - 1]; }
  static const Room& RoomAt(const State& state, int number) { return TailOf<Room>(state)[number - 1]; }

  uint8_t Centre() const { return static_cast<uint8_t>(cells_ / 2); }
  std::array<uint8_t, 2> SideDoors() const {
    return {static_cast<uint8_t>(cells_ / 2 - size_ / 2), static_cast<uint8_t>(cells_ / 2 + size_ / 2)};
  }
  int RowOf(int cell) const { return cell / size_; }
  int ColumnOf(int cell) const { return cell % size_; }
  bool IsRing(int cell) const {
    const int row = RowOf(cell), column = ColumnOf(cell);
    return row == 0 || column == 0 || row == size_ - 1 || column == size_ - 1;
  }

  // --- Tables.

  void MakeMoves() {
    moves_.resize(size_t{4} * cells_);
    for (int cell = 0; cell < cells_; ++cell) {
      for (int action = 0; action < 4 && !IsRing(cell); ++action) {
        const int target = cell + steps_[action];
        moves_[4 * cell + action] = static_cast<uint8_t>(IsRing(target) ? cell : target);
      }
    }
  }

  void MakeViews() {
    const int half = view_ / 2;
    places_.resize(size_t{1} * cells_ * cells_);
    for (int agent = 0; agent < cells_; ++agent) {
      for (int i = 0; i < view_cells_; ++i) {
        const int row = RowOf(agent) + i / view_ - half, column = ColumnOf(agent) + i % view_ - half;
        const bool inside = row >= 0 && row < size_ && column >= 0 && column < size_;
        const int cell = row * size_ + column;
        views_.push_back({!inside ? kOutside : IsRing(cell) ? kWall : kFloor});
        if (inside) places_[agent * cells_ + cell] = {static_cast<uint8_t>(i), 0xFF};
      }
    }
  }

  // --- Levels.

  // Right door and colours of a room, drawn together: every choice is equally likely.
  void MakeChoices() {
    for (int first = 1; first <= params_.colors; ++first) {
      for (int second = 1; second <= params_.colors; ++second) {
        for (int right = 0; right < 2 && first != second; ++right) {
          Room room{};
          room.doors = SideDoors();
          room.colors = {static_cast<uint8_t>(first), static_cast<uint8_t>(second)};
          room.start = Centre();
          room.right = right & 1;
          choices_.push_back(room);
        }
      }
    }
  }

  Room DrawRoom(Stream& random) const {
    Room room = Choose(choices_, random);
    if (random_doors_) {
      room.doors[0] = Choose(ring_, random);
      do {
        room.doors[1] = Choose(ring_, random);
      } while (room.doors[1] == room.doors[0]);
    }
    if (random_landing_) room.start = Choose(floor_, random);
    return room;
  }

  template <class T>
  static T Choose(const std::vector<T>& items, Stream& random) {
    return items[random.Below(static_cast<uint32_t>(items.size()))];
  }

  Room LoadRoom(const Json& record, const std::string& name) const;

  void Start(State& state) const {
    state = {};
    state.rooms = static_cast<uint8_t>(params_.rooms);
    Land(state, 1);
    state.landed = 0;
  }

  // --- Doors.

  void Land(State& state, int room) const {
    state.room = static_cast<uint8_t>(room);
    state.deepest = std::max(state.deepest, state.room);
    state.position = RoomAt(state, room).start;
    state.landed = 1;
  }

  Outcome Enter(State& state, int cell) const {
    state.position = static_cast<uint8_t>(cell);
    const Room& room = RoomAt(state, state.room);
    return cell == room.doors[room.right] ? Pass(state) : Fail(state);
  }

  Outcome Pass(State& state) const {
    Room& room = RoomAt(state, state.room);
    const bool is_paid = !params_.reward_once || !room.passed;
    const double reward = is_paid ? params_.reward_scale * state.room : 0;
    ++state.passes;
    state.passed += !room.passed;
    room.passed = 1;
    if (state.room == state.rooms) return {reward, true};
    Land(state, state.room + 1);
    return {reward, false};
  }

  Outcome Fail(State& state) const {
    Room& room = RoomAt(state, state.room);
    ++state.mistakes;
    room.tried = 1;
    room.wrong = !room.right;
    if (params_.mistake_limit > 0 && ++room.mistakes == params_.mistake_limit) return {params_.wrong_reward, true};
    Land(state, 1);
    return {params_.wrong_reward, false};
  }

  // --- The policy without memory.

  struct Offset {
    int rows = 0;
    int columns = 0;
    int moves() const { return std::abs(rows) + std::abs(columns); }
  };

  // Where one of the nearest doors in view is; here, if there is none.
  Offset NearestDoor(const uint8_t* tokens, Stream& random) const {
    const int half = view_ / 2;
    Offset nearest;
    for (int rows = -half; rows <= half; ++rows) {
      for (int columns = -half; columns <= half; ++columns) {
        if (KindInView(tokens, view_, rows, columns) != kDoor) continue;
        const Offset door{rows, columns};
        const bool is_tie = door.moves() == nearest.moves();
        const bool is_nearer = nearest.moves() == 0 || door.moves() < nearest.moves();
        if (is_nearer || (is_tie && random.Below(2) == 0)) nearest = door;
      }
    }
    return nearest;
  }

  // The first move that comes nearer and does not end at a wall.
  uint8_t MoveTowards(const uint8_t* tokens, Offset door) const {
    uint8_t action = kUp;
    const auto is_good = [&] {
      const int rows = kRowStep[action], columns = kColumnStep[action];
      return rows * door.rows + columns * door.columns > 0 && KindInView(tokens, view_, rows, columns) != kWall;
    };
    while (action < kLeft && !is_good()) ++action;
    return action;
  }

  Params params_;
  int view_;
  int view_cells_;
  uint8_t show_room_;  // all bits, or none
  int size_;
  int cells_;  // of a room
  std::array<int, 4> steps_;
  bool random_doors_;
  bool random_landing_;
  std::vector<uint8_t> floor_;  // cells where the agent can land
  std::vector<uint8_t> ring_;   // cells that can be doors
  std::vector<uint8_t> moves_;  // [cell][action] the cell after a move that meets no door
  std::vector<Cell> views_;     // [cell of the agent][view][view] the room without doors
  std::vector<Place> places_;   // [cell of the agent][cell]
  std::vector<Room> choices_;   // rooms with doors at the sides and the landing cell in the centre
};

Portal::Room Portal::LoadRoom(const Json& record, const std::string& name) const {
  const auto list = [](const Json& json, const std::string& what, size_t length) -> const Json& {
    if (json.is_array() && json.size() == length) return json;
    throw std::invalid_argument(fmt::format("{} is {}; allowed: a list of {}", what, json.dump(), length));
  };
  const auto cell = [&](const Json& at, const std::string& what) {
    const int64_t row = IntegerIn(at[0], what + "[0]", 0, size_ - 1);
    return static_cast<uint8_t>(row * size_ + IntegerIn(at[1], what + "[1]", 0, size_ - 1));
  };
  const auto refuse = [&](const char* member, const char* allowed) {
    throw std::invalid_argument(
        fmt::format("{}.{} is {}; allowed: {}", name, member, record.at(member).dump(), allowed));
  };
  Room room{};
  const Json& doors = list(Field(record, "doors"), name + ".doors", 2);
  for (int door : {0, 1}) {
    const std::string what = fmt::format("{}.doors[{}]", name, door);
    room.doors[door] = cell(list(doors[door], what, 3), what);
    room.colors[door] = static_cast<uint8_t>(IntegerIn(doors[door][2], what + "[2]", 1, params_.colors));
  }
  room.start = cell(list(Field(record, "start"), name + ".start", 2), name + ".start");
  room.right = IntegerIn(Field(record, "right"), name + ".right", 0, 1) & 1;

  const auto can_be_door = [&](int at) { return std::ranges::find(ring_, at) != ring_.end(); };
  if (!can_be_door(room.doors[0]) || !can_be_door(room.doors[1])) refuse("doors", "cells of the wall, no corners");
  if (room.doors[0] == room.doors[1]) refuse("doors", "two different cells");
  if (room.colors[0] == room.colors[1]) refuse("doors", "two different colours");
  if (IsRing(room.start)) refuse("start", "a cell of the floor");
  if (!random_doors_ && room.doors != SideDoors()) refuse("doors", "the middle of the left, then of the right wall");
  if (!random_landing_ && room.start != Centre()) refuse("start", "the centre");
  return room;
}

// Horizon: a round through all rooms by the right doors, then the choice. With doors at random each of the rooms - 1
// takes 3 steps at the most (from the centre of 3 x 3 cells to beyond a corner of them).
LETHE_REGISTER_ENV(Portal,
                   {
                       {"Portal-v0", {}, {43.0373, 2.9006, 2.90}, 99},
                       {"Portal-Once-v0", {{"reward_once", true}}, {43.0373, 2.9006, 2.90}, 99},
                       {"Portal-Short-v0", {{"rooms", 10}, {"max_steps", 200}}, {10, 2.8946, 2.782}, 19},
                       {"Portal-Random-v0", {{"door_places", "random"}, {"colors", 8}}, {37.138, 2.9006, 2.892}, 148},
                   });

}  // namespace
}  // namespace lethe::envs
