#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "envs/grid.h"
#include "envs/registration.h"

namespace lethe::envs {
namespace {

// The rules for people: `lethe envs Instruction-v0` and docs/envs/instruction.md show them.
constexpr const char* kInstructionRules = R"(Understand sentences heard once, and keep them until their turn comes.

In a room stand coloured objects and pads. Sentences come word by word, once, while the agent listens: "go red lamp"
means step onto that object, "what colour is book" means step onto the pad of the book's colour. Several can wait at a
time, and where things are has to be remembered too.

    ############
    ##. . hRlB##      two characters a cell, kind and colour: red chair, blue lamp
    ##. @ . _R##      the agent on floor; a red pad
    ##tRtB. _B##      two tables, so "what colour is table" is not asked
    ##. . . . ##
    ############

**Grid.** F x F cells of floor, F = `floor_size`, in rows and columns 1 .. F, a ring of wall around them at 0 and F +
1, nothing beyond. On the floor stand items, which can be walked on and stay where they are. With C = `colors`:

- Objects: C single kinds, one object each, one of every colour; and `pairs` kinds with two objects each, of two
  different colours: M = C + 2 `pairs` objects, no two alike, and for a single kind "what colour" has one answer.
- Pads: one of every colour.

**Words**, one more token: 0 silence, 1 go, 2 what, 3 colour, 4 is, 4 + k the colour k (5 .. 12), 13 + k the kind 6 +
k (13 .. 20; chair, table, lamp, book, cup, ball, box, plant), from 21 on fillers, which mean nothing.

- ACT, three words, `go` colour kind: step onto that object.
- ASK, four words, `what colour is` kind, of a single kind: step onto the pad of that object's colour.

The words of an instruction come on successive observations. All others carry a filler or silence. The stream of words
does not depend on the actions.

**Listening.** An instruction whose words come at steps start .. last opens at the end of step last + `hold`. At steps
start .. last + `hold` the action has no effect. So nobody can write a word down in the agent's position, and the
bound below is exact; `hold` sets the length of memory.

**A step t.**

1. Unless it is a listening step, the move: floor and items can be entered, walls cannot. If the agent moved onto an
   item, that is an entry: of an object, an attempt at the oldest open ACT; of a pad, at the oldest open ASK. Oldest
   is opened first; if none is open nothing happens. The right cell pays 1 and the instruction is done, another one
   pays `wrong_reward` and it has failed: one attempt each. Standing on an item is no entry; passing over it is.
2. If t = last + `hold` of an instruction, it is given. If `queue_limit` instructions are open, the oldest of either
   kind is dropped first. Then it opens.
3. If all `instructions` have been given and none is open: terminated.

**Limit.** `instructions` * (`gap_max` + 4 + `hold`) + 10 F steps; every instruction is given before it.

**Level.** C + `pairs` different kinds in uniform random order: the first C are the single ones, the i-th of colour i;
each other one gets a uniform ordered pair of different colours. The cells of all items are a uniform ordered choice
of different cells, redrawn as a whole until the free floor is one region, connected by the four moves, and every item
has a free neighbour. The agent stands on a uniform free cell. Each instruction independently: ASK with probability
`ask_share`; the target uniform over the M objects (ACT) or the C single ones (ASK). Gaps are uniform integers in
`gap_min` .. `gap_max`: start_1 = gap_1, start_(i+1) = start_i + words_i + `hold` + gap_(i+1). Observations 0 .. limit
carry a uniform filler with probability `noise`, else silence; then the words of the instructions are written over
that, those beyond the limit are cut. Record: `agent`: [row, column]; `items`, a list of {`kind`, `colour`, `at`}:
single objects by colour, pairs, pads by colour; `instructions`, a list of {`type`: "act" or "ask", `target`: index of
the object in items, `start`}; `words`, limit + 1 tokens: what is observed, whereas `instructions` is what counts.

**Metrics.** success (done / given; 0 if none was given), instructions_given, instructions_done, acts_done, asks_done,
failed, dropped. For comparison with the paper, evaluate until 250 instructions were given: total done / total given.

**Oracle.** Knows the room from the start and forgets no instruction. On a listening step, or with nothing open, it
stays. Else of the oldest open ACT (its object) and the oldest open ASK (its pad) it goes to the one with fewer steps,
if equal to the one opened first, by shortest routes over free floor. It loses only instructions that are dropped.

**Scout.** Knows nothing but its own observations and actions, and forgets none. Acts like the oracle by what it has
seen of the room: an ACT counts once its object has been seen, an ASK once object and pad have, and routes lead over
floor it knows. While nothing open counts it goes to the nearest cell from which it sees something new; where it has
seen a wall, or all of F rows or columns, it knows the walls on both sides. Any other action that begins a route as
short to what it goes for is as good as its own. Reaches 0.98 in Instruction-v0 and 0.997 in Instruction-Short-v0: no
privileged knowledge is needed.

**Memory needed.** With D steps from the agent to the target at least `hold` + D steps from the last word to the
action that uses it, 2 or 3 more from the first; and the room itself, since an item was last seen. The oracle in
Instruction-v0, from first word to use: mean 11, 95% within 23, 99.9% within 46, most 75.

**Without memory** success is exactly at most (1 - `ask_share`) / M + `ask_share` / C, 0.1333 by default. Who has no
memory meets the words only in observations whose action has no effect. So its path, and all it sees while the
instruction is open, does not depend on the target, which is uniform over the M objects, or, as a colour, over the C
pads. Every instruction has one attempt at most, right with probability 1 / M or 1 / C. Who remembers all but the
words fares no better. Attempting everything in time reaches the bound: one who knows the room and which kind of
instruction is open, and goes to random items of it.

**Source.** Sukhbaatar et al., arXiv:2105.06548, has this task as a text game whose world is not public: instructions
to act and to answer, reward 1 or 0, to be completed at any time while in context, 250 instructions per evaluation.
This gridworld keeps those features; all its rules are ours.
)";

// Beyond the objects of envs/grid.h: a fifth action.
constexpr uint8_t kStay = 4;

constexpr int kFirstObject = kChair;
constexpr int kNumObjectKinds = kNumKinds - kFirstObject;

// The vocabulary.
enum Word : uint8_t { kSilence, kGo, kWhat, kColour, kIs };
constexpr std::array kWordNames = {"",      "go",     "what",   "colour", "is",     "red",   "blue",
                                   "green", "yellow", "purple", "cyan",   "orange", "white", "chair",
                                   "table", "lamp",   "book",   "cup",    "ball",   "box",   "plant"};
constexpr int kFirstFiller = 21;
constexpr uint8_t ColorWord(int color) { return static_cast<uint8_t>(4 + color); }
constexpr uint8_t KindWord(int kind) { return static_cast<uint8_t>(13 + kind - kFirstObject); }

struct InstructionParams : GridParams {
  int64_t floor_size = 8;
  int64_t colors = 6;
  int64_t pairs = 2;
  int64_t instructions = 10;
  double ask_share = 0.5;
  int64_t gap_min = 0;
  int64_t gap_max = 20;
  int64_t hold = 0;
  int64_t queue_limit = 4;
  double noise = 0.25;
  int64_t fillers = 8;

  template <class V>
  void Visit(V& v) {
    GridParams::Visit(v);
    v("floor_size", floor_size, configs::Range{4, 32}, "side of the floor");
    v("colors", colors, configs::Range{2, 8}, "colours: so many objects of single kinds, and pads");
    v("pairs", pairs, configs::Range{0, 6}, "kinds with two objects");
    v("instructions", instructions, configs::Range{1, 1'000}, "instructions per episode");
    v("ask_share", ask_share, configs::Range{0, 1}, "probability that an instruction is ASK");
    v("gap_min", gap_min, configs::Range{0, 100'000}, "shortest pause before an instruction, steps");
    v("gap_max", gap_max, configs::Range{0, 100'000}, "longest pause before an instruction, steps");
    v("hold", hold, configs::Range{0, 100'000}, "steps between the last word and the opening");
    v("queue_limit", queue_limit, configs::Range{1, 64}, "instructions that can be open at a time");
    v("noise", noise, configs::Range{0, 1}, "probability of a filler where no instruction speaks");
    v("fillers", fillers, configs::Range{1, 64}, "number of different fillers");
  }

  void Check() const {
    const auto require = [](const char* name, int64_t value, int64_t most, const std::string& given) {
      if (value <= most) return;
      throw std::invalid_argument(fmt::format("{} is {}; allowed with {}: <= {}", name, value, given, most));
    };
    require("pairs", pairs, kNumObjectKinds - colors, fmt::format("{} colors", colors));
    const int64_t cells = floor_size * floor_size;
    require("pairs", pairs, cells / 3 / 2 - colors, fmt::format("{} colors and floor_size {}", colors, floor_size));
    require("gap_min", gap_min, gap_max, fmt::format("gap_max {}", gap_max));
  }

  int64_t items() const { return 2 * (colors + pairs); }
  // Steps in which every instruction is given, and time for the last ones.
  int64_t Limit() const { return instructions * (gap_max + 4 + hold) + 10 * floor_size; }
  int64_t words() const { return (max_steps > 0 ? max_steps : Limit()) + 1; }
};

// Turns random words into the words of observations without instruction: fillers with probability `noise`.
class Noise {
 public:
  Noise(double noise, uint32_t fillers) {
    const auto filler_words = static_cast<uint64_t>(noise * 0x1p32);  // so many of the 2^32 random words are fillers
    if (filler_words == 0) return;
    last_ = static_cast<uint32_t>(filler_words - 1);
    const double ratio = static_cast<double>(fillers) / static_cast<double>(filler_words);
    shift_ = 31 - std::ilogb(ratio);  // the scale takes all of 32 bits
    scale_ = static_cast<uint32_t>(std::ldexp(ratio, shift_));
  }

  // Arithmetic alone, so that the compiler uses vector registers.
  void Write(std::span<const uint32_t> random, uint8_t* words) const {
    const uint32_t last = last_, scale = scale_;
    const int shift = shift_;
    for (size_t i = 0; i < random.size(); ++i) {
      const uint32_t filler = kFirstFiller + static_cast<uint32_t>(uint64_t{random[i]} * scale >> shift);
      words[i] = static_cast<uint8_t>(random[i] <= last ? filler : 0);
    }
  }

  bool is_silent() const { return scale_ == 0; }

 private:
  uint32_t last_ = 0;   // the last random word that is a filler
  uint32_t scale_ = 0;  // fillers / filler words * 2^shift, rounded down: last * scale stays below fillers * 2^shift
  int shift_ = 0;
};

// A set of cells of the floor: bit c + 1 of word r + 1 is the cell in row r, column c.
class CellSet {
 public:
  explicit CellSet(int size) : size_(size) { std::fill_n(rows_.begin(), size + 2, 0); }

  bool Has(int row, int column) const { return rows_[row + 1] >> (column + 1) & 1; }
  void Add(int row, int column) { rows_[row + 1] |= uint64_t{1} << (column + 1); }

  // Can one walk around these cells? All others have to be one region, connected by the four moves, and each of these
  // has to have one of the others beside it.
  bool IsPassable() const {
    const CellSet free = Complement();
    for (int row = 1; row <= size_; ++row) {
      const uint64_t beside = free.rows_[row] << 1 | free.rows_[row] >> 1 | free.rows_[row - 1] | free.rows_[row + 1];
      if (RowMask() & ~beside) return false;  // of the others too, as they are more than one
    }
    return free.IsOneRegion();
  }

 private:
  uint64_t RowMask() const { return ((uint64_t{1} << size_) - 1) << 1; }

  CellSet Complement() const {
    CellSet others(size_);
    for (int row = 1; row <= size_; ++row) others.rows_[row] = rows_[row] ^ RowMask();
    return others;
  }

  // Grows a region from one cell, downwards and upwards by turns, until nothing is added.
  bool IsOneRegion() const {
    CellSet region(size_);
    int first = 1;
    while (first < size_ && rows_[first] == 0) ++first;
    region.rows_[first] = rows_[first] & (0 - rows_[first]);
    bool grows = true;
    const auto grow = [&](int row) {
      const uint64_t seen = region.rows_[row];
      uint64_t near = (seen | region.rows_[row - 1] | region.rows_[row + 1]) & rows_[row];
      for (int step = 0; step < 2; ++step) near |= (near << 1 | near >> 1) & rows_[row];
      region.rows_[row] = near;
      grows |= near != seen;
    };
    while (std::exchange(grows, false)) {
      for (int row = 1; row <= size_; ++row) grow(row);
      for (int row = size_; row >= 1; --row) grow(row);
    }
    return std::equal(rows_.begin(), rows_.begin() + size_ + 2, region.rows_.begin());
  }

  int size_;
  std::array<uint64_t, 34> rows_;
};

class Instruction {
 public:
  using Params = InstructionParams;
  static constexpr const char* kFamily = "Instruction";
  static constexpr int kVersion = 0;
  static constexpr const char* kRules = kInstructionRules;

  // Behind it, in this order: tasks, items, open tasks, grid, words. Only the number of words depends on the
  // curriculum. Cells of the grid are numbered row by row, the margins that are seen beyond the walls included.
  struct State {
    int64_t time;
    int64_t words;       // observations 0 .. limit
    int64_t next_start;  // first and last listening step of the next instruction; kNever if there is none
    int64_t next_opens;
    int32_t hold;                  // of this episode
    uint16_t position;             // cell of the agent
    uint16_t start;                // its first one
    std::array<uint16_t, 2> open;  // open ACTs and ASKs
    std::array<uint16_t, 2> done;  // ACTs and ASKs done
    uint16_t given, failed, dropped;
    uint16_t unused;
  };

  // What a scout knows of the room: bit c of word r is the cell in row r, column c, as numbered in records.
  struct Notes {
    std::array<uint64_t, 34> rows;
  };

  enum Type : uint8_t { kAct, kAsk };

  struct Task {
    int32_t start;  // step of its first word
    uint8_t type;
    uint8_t target;  // index of the object in the items
    std::array<uint8_t, 2> unused;

    int words() const { return type == kAsk ? 4 : 3; }
  };

  struct Item {
    Cell cell;
    uint16_t at;
  };

 private:
  struct FloorCell {
    uint16_t at;
    uint8_t row, column;
  };

  // --- What follows the state.

  struct Layout {
    Layout() = default;
    explicit Layout(const Params& params) {
      const auto side = static_cast<size_t>(params.floor_size + 2 + params.view / 2 * 2);
      items = static_cast<size_t>(params.instructions) * sizeof(Task);
      open = items + static_cast<size_t>(params.items()) * sizeof(Item);
      grid = open + static_cast<size_t>(params.queue_limit) * sizeof(uint16_t);
      words = grid + side * side * sizeof(Cell);
      end = words + static_cast<size_t>(params.words());
    }
    size_t items = 0, open = 0, grid = 0, words = 0, end = 0;  // offsets in bytes; the tasks are at 0
  };

  template <class S>
  static auto* Tasks(S& state) {
    return TailOf<Task>(state);
  }
  template <class S>
  auto* Items(S& state) const {
    return TailOf<Item>(state, layout_.items);
  }
  // Indices of the open tasks, the one opened first in front.
  template <class S>
  auto* OpenTasks(S& state) const {
    return TailOf<uint16_t>(state, layout_.open);
  }
  template <class S>
  auto* Grid(S& state) const {
    return TailOf<Cell>(state, layout_.grid);
  }
  template <class S>
  auto* Words(S& state) const {
    return TailOf<uint8_t>(state, layout_.words);
  }

 public:
  explicit Instruction(const Params& params)
      : params_(params),
        view_(static_cast<int>(params.view)),
        size_(static_cast<int>(params.floor_size)),
        stride_(size_ + 2 + 2 * (view_ / 2)),
        num_objects_(static_cast<int>(params.colors + 2 * params.pairs)),
        num_items_(static_cast<int>(params.items())),
        steps_{-stride_, 1, stride_, -1, 0},
        layout_(params),
        noise_(params.noise, static_cast<uint32_t>(params.fillers)),
        empty_(static_cast<size_t>(stride_) * stride_) {
    for (int row = -1; row <= size_; ++row) {
      for (int column = -1; column <= size_; ++column) {
        const bool is_floor = row >= 0 && column >= 0 && row < size_ && column < size_;
        empty_[At(row, column)] = {is_floor ? kFloor : kWall};
        if (is_floor)
          floor_.push_back(
              {static_cast<uint16_t>(At(row, column)), static_cast<uint8_t>(row), static_cast<uint8_t>(column)});
      }
    }
  }

  size_t TailBytes() const { return layout_.end; }

  Spec MakeSpec() const {
    Spec spec = GridSpec(kFamily, kVersion, params_.view);
    spec.num_actions = 5;
    spec.action_names.push_back("stay");
    spec.tokens.push_back({"word: 0 silence, 1 go, 2 what, 3 colour, 4 is, 5.. colours, 13.. kinds, 21.. fillers",
                           kFirstFiller + static_cast<int>(params_.fillers),
                           {kWordNames.begin(), kWordNames.end()}});
    for (const char* type : {"ACT", "ASK"}) {
      spec.explanation.push_back(
          {fmt::format("kind of the thing in the oldest open {}; 0: none is open", type), spec.tokens[0].vocabulary});
      spec.explanation.push_back({"its colour; 0: not known", spec.tokens[1].vocabulary});
      for (const char* axis : {"rows", "columns"}) {
        spec.explanation.push_back(
            {fmt::format("{0} from the agent to where that leads, {1} + {0}, more than {2} as {2}; 0: not known", axis,
                         kHere, kHere - 1),
             2 * kHere});
      }
    }
    spec.metric_names = {"success", "instructions_given", "instructions_done", "acts_done", "asks_done", "failed",
                         "dropped"};
    spec.curriculum_parameter = "hold";
    spec.curriculum_min = 0;
    spec.curriculum_max = static_cast<double>(params_.hold);
    return spec;
  }

  void Reset(State& state, Stream& random) const {
    state = {};
    DrawItems(state, random);
    DrawTasks(state, random);
    Start(state);
    DrawWords(state, random);
  }

  void Load(State& state, const Json& record) const;
  Json Record(const State& state) const;

  int64_t Limit(const State& state) const { return state.words - 1; }

  // Written so that the processor has few branches to guess: where the action leads to is unpredictable, that a task is
  // attempted or opens is rare.
  Outcome Step(State& state, uint8_t action) const {
    const int64_t time = state.time++;
    const Cell cell = Grid(state)[state.position + steps_[action]];
    const bool moves = (time < state.next_start) & (cell.kind != kWall);
    state.position = static_cast<uint16_t>(state.position + steps_[action] * moves);
    const bool enters = moves & (action != kStay) & (cell.kind >= kPad);
    Outcome outcome;
    if (enters & (state.open[cell.kind == kPad] > 0)) [[unlikely]]
      outcome = Attempt(state, cell);
    if (time == state.next_opens) [[unlikely]]
      Open(state);  // a listening step: nothing was attempted
    return outcome;
  }

  uint8_t* Observe(const State& state, uint8_t* tokens) const {
    const int corner = state.position - view_ / 2 * (stride_ + 1);
    uint8_t* end = CopyView(Grid(state) + corner, stride_, view_, tokens);
    *end = Words(state)[state.time];
    return end + 1;
  }

  void Metrics(const State& state, float* metrics) const {
    const int done = state.done[kAct] + state.done[kAsk];
    const int counts[] = {state.given, done, state.done[kAct], state.done[kAsk], state.failed, state.dropped};
    metrics[0] = state.given > 0 ? static_cast<float>(done) / static_cast<float>(state.given) : 0;
    std::copy(std::begin(counts), std::end(counts), metrics + 1);
  }

  uint8_t Oracle(const State& state) const;
  Advice Scout(const State& state, Notes& notes) const;
  uint8_t* Explain(const State& state, const Notes& notes, uint8_t* tokens) const;

  bool IsCue(const State& state) const {
    const uint8_t word = Words(state)[state.time];
    return word != kSilence && word < kFirstFiller;
  }

  // Half of the time onto an item beside it, if there is one, else anywhere.
  uint8_t Memoryless(const uint8_t* tokens, Stream& random) const {
    const auto action = static_cast<uint8_t>(random.Below(4));
    if (random.Below(2) == 0) return action;
    for (int turn = 0; turn < 4; ++turn) {
      const auto other = static_cast<uint8_t>((action + turn) % 4);
      if (KindInView(tokens, view_, kRowStep[other], kColumnStep[other]) >= kPad) return other;
    }
    return action;
  }

  Picture MakePicture(const State& state) const {
    Picture picture{size_ + 2, size_ + 2, {}, RowOf(state.position) + 1, ColumnOf(state.position) + 1};
    for (int row = -1; row <= size_; ++row) {
      for (int column = -1; column <= size_; ++column) picture.cells.push_back(Grid(state)[At(row, column)]);
    }
    return picture;
  }

  std::string Text(const State& state) const { return GridPairsText(MakePicture(state)); }

 private:
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

  // --- Cells. Rows and columns of the floor count from 0 here, from 1 in records.

  int At(int row, int column) const { return (row + 1 + view_ / 2) * stride_ + column + 1 + view_ / 2; }
  int RowOf(int at) const { return at / stride_ - 1 - view_ / 2; }
  int ColumnOf(int at) const { return at % stride_ - 1 - view_ / 2; }

  // --- Tasks.

  // What has to be entered: the object, or the pad of its colour.
  Cell WantedCell(const State& state, const Task& task) const {
    const Cell object = Items(state)[task.target].cell;
    return task.type == kAct ? object : Cell{kPad, object.color};
  }

  // The index among the open tasks of the oldest of a type, of which there is one.
  int OldestOpen(const State& state, Type type) const {
    const uint16_t* open = OpenTasks(state);
    int i = 0;
    while (Tasks(state)[open[i]].type != type) ++i;
    return i;
  }

  static int NumOpen(const State& state) { return state.open[kAct] + state.open[kAsk]; }

  // Takes one off the list of open tasks.
  void Close(State& state, int index) const {
    uint16_t* open = OpenTasks(state);
    const int count = NumOpen(state);
    --state.open[Tasks(state)[open[index]].type];
    std::copy(open + index + 1, open + count, open + index);
    open[count - 1] = 0;
  }

  bool IsOver(const State& state) const { return state.given == params_.instructions && NumOpen(state) == 0; }

  Outcome Attempt(State& state, Cell entered) const {
    const Type type = entered.kind == kPad ? kAsk : kAct;
    const int index = OldestOpen(state, type);
    const bool is_right = WantedCell(state, Tasks(state)[OpenTasks(state)[index]]) == entered;
    Close(state, index);
    ++(is_right ? state.done[type] : state.failed);
    return {is_right ? 1 : params_.wrong_reward, IsOver(state)};
  }

  // The next task has been heard.
  void Open(State& state) const {
    if (NumOpen(state) == params_.queue_limit) {
      Close(state, 0);
      ++state.dropped;
    }
    OpenTasks(state)[NumOpen(state)] = state.given;
    ++state.open[Tasks(state)[state.given].type];
    ++state.given;
    ExpectNext(state);
  }

  void ExpectNext(State& state) const {
    state.next_start = state.next_opens = kNever;
    if (state.given == params_.instructions) return;
    const Task& next = Tasks(state)[state.given];
    state.next_start = next.start;
    state.next_opens = next.start + next.words() - 1 + state.hold;
  }

  // --- Levels.

  void DrawItems(State& state, Stream& random) const {
    std::array<uint8_t, kNumObjectKinds> kinds;
    std::iota(kinds.begin(), kinds.end(), uint8_t{kFirstObject});
    random.Shuffle<uint8_t>(kinds);
    const auto colors = static_cast<int>(params_.colors);
    Item* item = Items(state);
    for (int color = 1; color <= colors; ++color) (item++)->cell = {kinds[color - 1], static_cast<uint8_t>(color)};
    for (int pair = 0; pair < params_.pairs; ++pair) {
      const uint32_t first = random.Below(colors), other = random.Below(colors - 1);
      const uint32_t second = other + (other >= first);
      for (uint32_t color : {first, second}) (item++)->cell = {kinds[colors + pair], static_cast<uint8_t>(1 + color)};
    }
    for (int color = 1; color <= colors; ++color) (item++)->cell = {kPad, static_cast<uint8_t>(color)};
    PlaceItems(state, random);
  }

  void PlaceItems(State& state, Stream& random) const {
    for (bool is_passable = false; !is_passable;) {
      CellSet taken(size_);
      for (int i = 0; i < num_items_; ++i) Items(state)[i].at = DrawFreeCell(taken, random);
      is_passable = taken.IsPassable();
      if (is_passable) state.start = DrawFreeCell(taken, random);
    }
  }

  // A uniform cell of the floor that was not taken; now it is.
  uint16_t DrawFreeCell(CellSet& taken, Stream& random) const {
    for (;;) {
      const FloorCell cell = floor_[random.Below(static_cast<uint32_t>(floor_.size()))];
      if (taken.Has(cell.row, cell.column)) continue;
      taken.Add(cell.row, cell.column);
      return cell.at;
    }
  }

  void DrawTasks(State& state, Stream& random) const {
    int64_t start = 0;
    for (int i = 0; i < params_.instructions; ++i) {
      Task& task = Tasks(state)[i];
      task = {};
      task.type = random.Uniform() < params_.ask_share ? kAsk : kAct;
      task.target = static_cast<uint8_t>(random.Below(task.type == kAsk ? params_.colors : num_objects_));
      start += random.Between(params_.gap_min, params_.gap_max);
      task.start = static_cast<int32_t>(start);
      start += task.words() + params_.hold;
    }
  }

  void DrawWords(State& state, Stream& random) const {
    uint8_t* words = Words(state);
    const auto count = static_cast<size_t>(state.words);
    std::array<uint32_t, 512> drawn;
    for (size_t done = 0; done < count && !noise_.is_silent(); done += drawn.size()) {
      const auto some = std::span(drawn).first(std::min(drawn.size(), count - done));
      random.Fill(some);
      noise_.Write(some, words + done);
    }
    if (noise_.is_silent()) std::fill_n(words, count, uint8_t{kSilence});
    for (int i = 0; i < params_.instructions; ++i) WriteSentence(state, Tasks(state)[i]);
  }

  void WriteSentence(State& state, const Task& task) const {
    const Cell object = Items(state)[task.target].cell;
    const std::array<uint8_t, 3> act = {kGo, ColorWord(object.color), KindWord(object.kind)};
    const std::array<uint8_t, 4> ask = {kWhat, kColour, kIs, KindWord(object.kind)};
    const std::span<const uint8_t> sentence = task.type == kAct ? std::span<const uint8_t>(act) : ask;
    for (size_t i = 0; i < sentence.size() && task.start + static_cast<int64_t>(i) < state.words; ++i) {
      Words(state)[task.start + i] = sentence[i];
    }
  }

  // Items and tasks are there, the words may follow.
  void Start(State& state) const {
    std::copy_n(empty_.data(), empty_.size(), Grid(state));
    for (const Item& item : std::span(Items(state), num_items_)) Grid(state)[item.at] = item.cell;
    std::fill_n(OpenTasks(state), params_.queue_limit, uint16_t{0});
    state.position = state.start;
    state.hold = static_cast<int32_t>(params_.hold);
    state.words = params_.words();
    ExpectNext(state);
  }

  void LoadItems(State& state, const Json& items) const;
  void LoadTasks(State& state, const Json& tasks) const;
  void LoadWords(State& state, const Json& words) const;
  Json CellRecord(int at) const { return {RowOf(at) + 1, ColumnOf(at) + 1}; }
  uint16_t LoadCell(const Json& record, const std::string& name) const;

  // --- The oracle.

  struct Route {
    int steps = std::numeric_limits<int>::max();
    uint8_t action = kStay;
    uint8_t ties = 1 << kStay;  // a bit for each action that one as short begins with
  };
  uint16_t TargetOfOldest(const State& state, Type type) const;
  template <class Goals, class CanWalk>
  Route RouteTo(const State& state, const Goals& goals, CanWalk can_walk) const;
  Route Choose(const State& state, const Route& act, const Route& ask) const;

  // --- The scout.

  static constexpr int kHere = 8;  // no rows or columns away, as an explanation has it

  // What is in view of a line of the room, its two walls included, from its cell `at`; one bit each.
  uint64_t InView(int at) const;
  bool Knows(const Notes& notes, int at) const { return notes.rows[RowOf(at) + 1] >> (ColumnOf(at) + 1) & 1; }
  void Look(const State& state, Notes& notes) const;
  bool ShowsMore(const Notes& notes, const FloorCell& cell) const;

  Params params_;
  int view_;
  int size_;
  int stride_;  // cells in a row of the grid, margins included
  int num_objects_;
  int num_items_;
  std::array<int, 5> steps_;  // from a cell to the one an action leads to
  Layout layout_;
  Noise noise_;
  std::vector<Cell> empty_;  // the grid without items
  std::vector<FloorCell> floor_;
};

// --- Records.

Json Instruction::Record(const State& state) const {
  Json items = Json::array(), tasks = Json::array();
  for (const Item& item : std::span(Items(state), num_items_)) {
    items.push_back({{"kind", item.cell.kind}, {"colour", item.cell.color}, {"at", CellRecord(item.at)}});
  }
  for (const Task& task : std::span(Tasks(state), static_cast<size_t>(params_.instructions))) {
    tasks.push_back({{"type", task.type == kAsk ? "ask" : "act"}, {"target", task.target}, {"start", task.start}});
  }
  const std::vector<int> words(Words(state), Words(state) + state.words);
  return {{"agent", CellRecord(state.start)}, {"items", items}, {"instructions", tasks}, {"words", words}};
}

void Instruction::Load(State& state, const Json& record) const {
  state = {};
  LoadItems(state, Field(record, "items"));
  state.start = LoadCell(Field(record, "agent"), "agent");
  LoadTasks(state, Field(record, "instructions"));
  Start(state);
  LoadWords(state, Field(record, "words"));
  if (Grid(state)[state.start].kind != kFloor) {
    throw std::invalid_argument(fmt::format("agent is {}; allowed: a cell without item", record["agent"].dump()));
  }
}

const Json& ListOf(const Json& json, const std::string& name, int64_t length) {
  if (json.is_array() && json.size() == static_cast<size_t>(length)) return json;
  throw std::invalid_argument(fmt::format("{} is no list of {}", name, length));
}

uint16_t Instruction::LoadCell(const Json& record, const std::string& name) const {
  ListOf(record, name, 2);
  const int64_t row = IntegerIn(record[0], name + "[0]", 1, size_);
  const int64_t column = IntegerIn(record[1], name + "[1]", 1, size_);
  return static_cast<uint16_t>(At(static_cast<int>(row) - 1, static_cast<int>(column) - 1));
}

// Item i of a record has to be of a kind and colour that fit its place in the list: see the rules.
void Instruction::LoadItems(State& state, const Json& items) const {
  ListOf(items, "items", num_items_);
  const auto colors = static_cast<int>(params_.colors);
  CellSet taken(size_);
  std::array<bool, kNumKinds> kind_seen{};
  for (int i = 0; i < num_items_; ++i) {
    const std::string name = fmt::format("items[{}]", i);
    const auto refuse = [&](const char* allowed) {
      throw std::invalid_argument(fmt::format("{} is {}; allowed: {}", name, items[i].dump(), allowed));
    };
    const auto member = [&](const char* key, int64_t lo, int64_t hi) {
      return static_cast<uint8_t>(IntegerIn(Field(items[i], key), fmt::format("{}.{}", name, key), lo, hi));
    };
    const bool is_single = i < colors, is_pad = i >= num_objects_;
    const bool is_second = !is_single && !is_pad && (i - colors) % 2 == 1;
    Item& item = Items(state)[i];
    item.cell.kind = is_pad ? member("kind", kPad, kPad) : member("kind", kFirstObject, kNumKinds - 1);
    item.cell.color = member("colour", 1, colors);
    if ((is_single || is_pad) && item.cell.color != 1 + (is_pad ? i - num_objects_ : i)) refuse("colours in order");
    if (is_second && item.cell.kind != Items(state)[i - 1].cell.kind) refuse("the kind of the item before it");
    if (is_second && item.cell.color == Items(state)[i - 1].cell.color)
      refuse("another colour than the item before it");
    if (!is_second && !is_pad && std::exchange(kind_seen[item.cell.kind], true)) refuse("a kind not yet used");
    item.at = LoadCell(Field(items[i], "at"), name + ".at");
    if (taken.Has(RowOf(item.at), ColumnOf(item.at))) refuse("a cell of its own");
    taken.Add(RowOf(item.at), ColumnOf(item.at));
  }
  if (taken.IsPassable()) return;
  throw std::invalid_argument(
      "items are in each other's way; allowed: free floor in one region, which every item touches");
}

void Instruction::LoadTasks(State& state, const Json& tasks) const {
  ListOf(tasks, "instructions", params_.instructions);
  int64_t end = 0;  // of the listening steps of the one before
  for (size_t i = 0; i < tasks.size(); ++i) {
    const std::string name = fmt::format("instructions[{}]", i);
    const Json& type = Field(tasks[i], "type");
    if (type != "act" && type != "ask") {
      throw std::invalid_argument(fmt::format("{}.type is {}; allowed: \"act\", \"ask\"", name, type.dump()));
    }
    Task& task = Tasks(state)[i];
    task = {};
    task.type = type == "ask" ? kAsk : kAct;
    const int64_t targets = task.type == kAsk ? params_.colors : num_objects_;
    task.target = static_cast<uint8_t>(IntegerIn(Field(tasks[i], "target"), name + ".target", 0, targets - 1));
    task.start = static_cast<int32_t>(
        IntegerIn(Field(tasks[i], "start"), name + ".start", end + params_.gap_min, end + params_.gap_max));
    end = task.start + task.words() + params_.hold;
  }
}

void Instruction::LoadWords(State& state, const Json& words) const {
  ListOf(words, "words", state.words);
  for (size_t i = 0; i < words.size(); ++i) {
    const int64_t last = kFirstFiller + params_.fillers - 1;
    Words(state)[i] = static_cast<uint8_t>(IntegerIn(words[i], fmt::format("words[{}]", i), 0, last));
  }
}

// --- The oracle.

uint8_t Instruction::Oracle(const State& state) const {
  if (state.time >= state.next_start || NumOpen(state) == 0) return kStay;
  const auto route = [&](Type type) {
    if (state.open[type] == 0) return Route{};
    return RouteTo(state, std::array{TargetOfOldest(state, type)}, [](int) { return true; });
  };
  return Choose(state, route(kAct), route(kAsk)).action;
}

// The nearer one; of two as near the one opened first.
Instruction::Route Instruction::Choose(const State& state, const Route& act, const Route& ask) const {
  if (act.steps != ask.steps) return act.steps < ask.steps ? act : ask;
  return Tasks(state)[OpenTasks(state)[0]].type == kAct ? act : ask;
}

// The cell of the oldest open task of a type, of which there is one.
uint16_t Instruction::TargetOfOldest(const State& state, Type type) const {
  const int object = Tasks(state)[OpenTasks(state)[OldestOpen(state, type)]].target;
  const int pad = num_objects_ + Items(state)[object].cell.color - 1;
  return Items(state)[type == kAct ? object : pad].at;
}

// Distances from the goals through free floor that can be walked on, nearest cells first, until every neighbour of the
// agent may be compared.
template <class Goals, class CanWalk>
Instruction::Route Instruction::RouteTo(const State& state, const Goals& goals, CanWalk can_walk) const {
  constexpr int kMostCells = (32 + 2 + 14) * (32 + 2 + 14);
  std::array<uint16_t, kMostCells> distance;
  std::array<uint16_t, 32 * 32 + 1> queue;
  std::fill_n(distance.begin(), empty_.size(), UINT16_MAX);
  int end = 0;
  for (const uint16_t goal : goals) {
    distance[goal] = 0;
    queue[end++] = goal;
  }
  for (int first = 0; first < end; ++first) {
    for (int action = 0; action < kStay; ++action) {
      const int next = queue[first] + steps_[action];
      if (Grid(state)[next].kind != kFloor || distance[next] != UINT16_MAX || !can_walk(next)) continue;
      distance[next] = distance[queue[first]] + 1;
      queue[end++] = static_cast<uint16_t>(next);
    }
  }
  Route best;
  for (uint8_t action = 0; action < kStay; ++action) {
    const int steps = distance[state.position + steps_[action]] + 1;
    if (steps > UINT16_MAX || steps > best.steps) continue;
    if (steps < best.steps) best = {steps, action, 0};
    best.ties |= static_cast<uint8_t>(1 << action);
  }
  return best;
}

// --- The scout.

// Goes where it has seen the thing and, for a question, its pad; else where it sees more of the room.
Advice Instruction::Scout(const State& state, Notes& notes) const {
  Look(state, notes);
  if (state.time >= state.next_start || NumOpen(state) == 0) return kStay;
  const auto can_walk = [&](int at) { return Knows(notes, at); };
  const auto route = [&](Type type) {
    if (state.open[type] == 0) return Route{};
    const int object = Tasks(state)[OpenTasks(state)[OldestOpen(state, type)]].target;
    const uint16_t target = TargetOfOldest(state, type);
    if (!Knows(notes, Items(state)[object].at) || !Knows(notes, target)) return Route{};
    return RouteTo(state, std::array{target}, can_walk);
  };
  const Route act = route(kAct), ask = route(kAsk);
  const auto advice = [](const Route& way) { return Advice(way.action, way.ties); };
  if (act.steps != Route{}.steps || ask.steps != Route{}.steps) return advice(Choose(state, act, ask));
  std::array<uint16_t, 32 * 32> edge;
  size_t count = 0;
  for (const FloorCell& cell : floor_) {
    if (Grid(state)[cell.at].kind == kFloor && Knows(notes, cell.at) && ShowsMore(notes, cell)) edge[count++] = cell.at;
  }
  return advice(RouteTo(state, std::span(edge).first(count), can_walk));
}

// What is due of either type: the thing that was heard, and where the scout goes for it as far as it knows that.
uint8_t* Instruction::Explain(const State& state, const Notes& notes, uint8_t* tokens) const {
  const auto away = [](int difference) {
    return static_cast<uint8_t>(kHere + std::clamp(difference, 1 - kHere, kHere - 1));
  };
  std::fill_n(tokens, 8, uint8_t{0});
  for (const Type type : {kAct, kAsk}) {
    uint8_t* about = tokens + (type == kAct ? 0 : 4);
    if (state.open[type] == 0) continue;
    const Item& object = Items(state)[Tasks(state)[OpenTasks(state)[OldestOpen(state, type)]].target];
    about[0] = object.cell.kind;
    if (type == kAsk && !Knows(notes, object.at)) continue;
    about[1] = object.cell.color;
    const uint16_t target = TargetOfOldest(state, type);
    if (!Knows(notes, target)) continue;
    about[2] = away(RowOf(target) - RowOf(state.position));
    about[3] = away(ColumnOf(target) - ColumnOf(state.position));
  }
  return tokens + 8;
}

uint64_t Instruction::InView(int at) const {
  const int first = std::max(at - view_ / 2, 0), last = std::min(at + view_ / 2, size_ + 1);
  return ((uint64_t{2} << (last - first)) - 1) << first;
}

// Adds what is in view. Whoever sees a wall, or as many rows as the room has, knows where the rows end and that there
// is wall all along; the same for columns.
void Instruction::Look(const State& state, Notes& notes) const {
  auto& rows = notes.rows;
  const int row = RowOf(state.position) + 1;
  const uint64_t floor = ((uint64_t{1} << size_) - 1) << 1, walls = 1 | uint64_t{1} << (size_ + 1);
  for (int r = std::max(row - view_ / 2, 0); r <= std::min(row + view_ / 2, size_ + 1); ++r) {
    rows[r] |= InView(ColumnOf(state.position) + 1);
  }
  bool all_rows = true;
  uint64_t columns = 0;
  for (int r = 1; r <= size_; ++r) {
    all_rows &= (rows[r] & floor) != 0;
    columns |= rows[r];
  }
  if (all_rows || ((rows[0] | rows[size_ + 1]) & floor) != 0) rows[0] = rows[size_ + 1] = floor | walls;
  if ((columns & floor) == floor || (columns & walls) != 0) {
    for (int r = 0; r < size_ + 2; ++r) rows[r] |= walls;
  }
}

// Is there anything in view from a cell that is not yet known?
bool Instruction::ShowsMore(const Notes& notes, const FloorCell& cell) const {
  const uint64_t columns = InView(cell.column + 1);
  for (int r = std::max(cell.row + 1 - view_ / 2, 0); r <= std::min(cell.row + 1 + view_ / 2, size_ + 1); ++r) {
    if (columns & ~notes.rows[r]) return true;
  }
  return false;
}

// Scores of the oracle and of random actions: means of 200,000 episodes. Horizon: the longest from the first word to
// the use of an instruction in 4,000 to 20,000 episodes, rounded up; in Instruction-v0 99.9% of uses are within 46
// steps. The limit of the episode is the only bound that can be proved: instructions wait for each other.
LETHE_REGISTER_ENV(
    Instruction,
    {
        {"Instruction-v0", {}, {0.99865, 2. / 15, 0.1218}, 75},
        {"Instruction-Act-v0", {{"ask_share", 0}}, {0.9973, 0.1, 0.0910}, 75},
        {"Instruction-Ask-v0", {{"ask_share", 1}}, {0.9975, 1. / 6, 0.1310}, 75},
        {"Instruction-Short-v0",
         {{"floor_size", 5}, {"colors", 3}, {"pairs", 1}, {"instructions", 5}, {"queue_limit", 3}, {"noise", 0}},
         {0.9989, 4. / 15, 0.2507},
         50},
        {"Instruction-Hold-v0", {{"hold", 100}}, {0.99865, 2. / 15, 0.1217}, 660},
        {"Instruction-Large-v0",
         {{"floor_size", 16}, {"instructions", 20}, {"gap_max", 40}, {"queue_limit", 6}},
         {0.99998, 2. / 15, 0.0987},
         110},
    });

}  // namespace
}  // namespace lethe::envs
