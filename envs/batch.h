#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <new>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "envs/bytes.h"
#include "envs/env_batch.h"
#include "envs/level.h"
#include "envs/params.h"
#include "envs/picture.h"
#include "envs/stream.h"

namespace lethe::envs {

/// What the rules did in one step, before step cost and clock.
struct Outcome {
  double reward = 0;
  bool terminated = false;
};

/// What the author of an environment writes: the rules, constant for a batch, and a plain state per environment.
/// Members, besides those below checked by the compiler:
///   Params      parameter struct, derived from TaskParams: Visit, Check
///   State       trivially copyable, no padding, no pointer: its bytes are what Save stores. What the curriculum
///               parameter decides within an episode has to be copied into it
///   R(params)   rules for these parameters; they are in range
///   kRules      the rules for people, in Markdown: a line of purpose, then everything (see
///   docs/adding-an-environment.md)
/// If the size of a level depends on parameters:
///   size_t TailBytes() const          so many bytes follow every State, reached by TailOf(state) and saved with it.
///                                     Largest at the hardest curriculum value; where things lie in it must not
///                                     depend on the curriculum
/// If there are cells to draw:
///   Picture MakePicture(state) const
/// If there is a player that knows nothing but its observations and actions, and forgets none (see EnvBatch::Scout):
///   Notes       what it remembers of an episode beyond what the state tells of its past; like State, and all zeros
///               before the first observation
///   uint8_t Scout(state, Notes&) const     adds the present observation to the notes and returns its action, or an
///                                          Advice, which names others that are as good. It may use of the state only
///                                          what follows from observations and actions so far
/// If it can tell what it is after (see EnvBatch::Explain; MakeSpec describes the tokens in Spec::explanation):
///   uint8_t* Explain(state, const Notes&, uint8_t* tokens) const     returns the place after the last token
/// The batch adds the clock (step cost, limit, truncation, the metric "steps") and the token `hint`.
template <class R>
concept Environment = requires(const R& rules, typename R::State& state, const typename R::State& seen, Stream& random,
                               uint8_t* tokens, float* metrics, const Json& record) {
  requires std::is_trivially_copyable_v<typename R::State>;
  requires std::has_unique_object_representations_v<typename R::State>;
  R(std::declval<const typename R::Params&>());
  { R::kFamily } -> std::convertible_to<std::string>;
  { R::kVersion } -> std::convertible_to<int>;
  { R::kRules } -> std::convertible_to<std::string>;
  { rules.MakeSpec() } -> std::same_as<Spec>;                            // without hint and "steps"
  rules.Reset(state, random);                                            // draws a level and starts on it
  rules.Load(state, record);                                             // starts on a recorded level, or throws
  { rules.Record(seen) } -> std::same_as<Json>;                          // the hidden quantities of the level
  { rules.Limit(seen) } -> std::convertible_to<int64_t>;                 // steps of this level, if max_steps is 0
  { rules.Step(state, uint8_t{}) } -> std::same_as<Outcome>;             // the action is in the table
  { rules.Observe(seen, tokens) } -> std::same_as<uint8_t*>;             // returns the place after the last token
  rules.Metrics(seen, metrics);                                          // of the finished episode, without "steps"
  { rules.Oracle(seen) } -> std::convertible_to<uint8_t>;                // not asked after termination
  { rules.Memoryless(tokens, random) } -> std::convertible_to<uint8_t>;  // a best policy that sees only these tokens
  { rules.IsCue(seen) } -> std::convertible_to<bool>;                    // the observation shows the secret
  { rules.Text(seen) } -> std::convertible_to<std::string>;
};

template <class R>
concept HasTail = requires(const R& rules) {
  { rules.TailBytes() } -> std::convertible_to<size_t>;
};

template <class R>
concept HasPicture = requires(const R& rules, const typename R::State& state) {
  { rules.MakePicture(state) } -> std::same_as<Picture>;
};

/// A scout's action, and a bit for each of the actions 0 .. 7 that are as good, itself included.
struct Advice {
  // Implicit, for scouts that return their action alone.
  Advice(uint8_t chosen, uint8_t as_good = 0)
      : action(chosen), ties(static_cast<uint8_t>(as_good | (chosen < 8 ? 1 << chosen : 0))) {}
  uint8_t action, ties;
};

template <class R>
concept HasScoutRules = requires(const R& rules, const typename R::State& state, typename R::Notes& notes) {
  requires PlainBytes<typename R::Notes>;
  { rules.Scout(state, notes) } -> std::convertible_to<Advice>;
};

template <class R>
concept HasExplanations = HasScoutRules<R> &&
    requires(const R& rules, const typename R::State& state, const typename R::Notes& notes) {
  { rules.Explain(state, notes, static_cast<uint8_t*>(nullptr)) } -> std::same_as<uint8_t*>;
};

/// The notes of rules with a scout; without one, nothing.
template <class R>
struct NotesOf {
  using Type = std::byte;
};
template <HasScoutRules R>
struct NotesOf<R> {
  using Type = typename R::Notes;
};

/// The bytes behind a State of rules with TailBytes, as items of T from byte `offset` on, a multiple of alignof(T).
template <class T, class State>
auto* TailOf(State& state, size_t offset = 0) {
  static_assert(sizeof(State) % alignof(T) == 0, "the tail begins where the state ends");
  constexpr bool kConst = std::is_const_v<State>;
  using Byte = std::conditional_t<kConst, const std::byte, std::byte>;
  using Item = std::conditional_t<kConst, const T, T>;
  return reinterpret_cast<Item*>(reinterpret_cast<Byte*>(&state + 1) + offset);
}

/// Lifts the rules of one environment to a batch of them.
template <Environment R>
class Batch final : public EnvBatch {
 public:
  using P = typename R::Params;
  using State = typename R::State;

  Batch(const P& params, const BatchOptions& options)
      : params_(params),
        rules_(params),
        spec_(CompleteSpec(params, rules_)),
        stride_(StrideOf(rules_)),
        options_(options) {
    CheckOptions(options);
    curriculum_ = static_cast<int64_t>(spec_.curriculum_max);
    clocks_.resize(static_cast<size_t>(options.size));
    states_.resize((clocks_.size() * stride_ + sizeof(CacheLine) - 1) / sizeof(CacheLine));
    metrics_.resize(clocks_.size() * spec_.metric_names.size());
  }

  const Spec& spec() const override { return spec_; }
  int size() const override { return options_.size; }

  void Reset(uint8_t* observations) override {
    for (int row = 0; row < size(); ++row) {
      Begin(row);
      Write(row, observations + TokenOffset(row));
    }
  }

  void Restart(int row, uint8_t* observation) override {
    CheckRow(row);
    Begin(row);
    Write(row, observation);
  }

  // One pass over all actions costs less than a check in the loop, and a bad one changes nothing.
  void CheckActions(const uint8_t* actions) const override {
    if (*std::max_element(actions, actions + size()) < spec_.num_actions) return;
    for (int row = 0; row < size(); ++row) {
      if (actions[row] < spec_.num_actions || clocks_[row].phase != kRunning) continue;
      throw std::invalid_argument(
          fmt::format("action of row {} is {}; allowed: 0..{}", row, actions[row], spec_.num_actions - 1));
    }
  }

  void StepRows(int first, int end, const uint8_t* actions, const StepOutput& out) override {
    const StepOutput to = out;  // a copy of our own stays in registers: tokens, as bytes, might overlay anything else
    const size_t num_tokens = spec_.tokens.size();
    uint8_t* tokens = to.observations + TokenOffset(first);
    for (int row = first; row < end; ++row, tokens += num_tokens) {
      const bool running = clocks_[row].phase == kRunning;
      to.episode_start[row] = !running;
      if (running) [[likely]] {
        Advance(row, actions[row], to);
      } else {
        Begin(row);
        to.rewards[row] = 0;
        to.terminated[row] = to.truncated[row] = 0;
      }
      Write(row, tokens);
    }
  }

  void Observe(uint8_t* observations) const override {
    for (int row = 0; row < size(); ++row) {
      CheckStarted(row);
      Write(row, observations + TokenOffset(row));
    }
  }

  std::span<const float> EpisodeMetrics(int row) const override {
    CheckRow(row);
    const size_t count = spec_.metric_names.size();
    return {metrics_.data() + static_cast<size_t>(row) * count, count};
  }

  void SetCurriculum(double value) override {
    if (spec_.curriculum_parameter.empty()) throw std::logic_error(spec_.family + " has no curriculum parameter");
    if (std::isnan(value)) throw std::invalid_argument(spec_.curriculum_parameter + " is not a number");
    const double clamped = std::clamp(std::floor(value), spec_.curriculum_min, spec_.curriculum_max);
    UseCurriculum(static_cast<int64_t>(clamped));
  }

  std::vector<std::byte> Save() const override;
  void Restore(std::span<const std::byte> bytes) override;

  Picture MakePicture(int row) const override {
    CheckStarted(row);
    if constexpr (HasPicture<R>) return rules_.MakePicture(StateOf(row));
    return {};
  }

  std::string Text(int row) const override {
    CheckStarted(row);
    return rules_.Text(StateOf(row));
  }

  std::string LevelJson(int row) const override;
  void LoadLevel(int row, const std::string& level_json) override;

  void Oracle(uint8_t* actions) const override {
    for (int row = 0; row < size(); ++row) {
      CheckStarted(row);
      actions[row] = OracleAction(row);
    }
  }

  bool HasScout() const override { return HasScoutRules<R>; }

  void Scout(uint8_t* actions, uint8_t* ties) override {
    if constexpr (HasScoutRules<R>) {
      for (int row = 0; row < size(); ++row) CheckStarted(row);
      notes_.resize(clocks_.size());
      for (int row = 0; row < size(); ++row) {
        Advice advice(0);
        if (clocks_[row].phase != kTerminated) advice = rules_.Scout(StateOf(row), notes_[row]);
        actions[row] = advice.action;
        if (ties != nullptr) ties[row] = advice.ties;
      }
    } else {
      EnvBatch::Scout(actions, ties);
    }
  }

  void Explain(uint8_t* tokens) const override {
    if constexpr (HasExplanations<R>) {
      if (notes_.empty()) throw std::logic_error(spec_.family + ": the scout was never asked, so it explains nothing");
      const size_t count = spec_.explanation.size();
      for (int row = 0; row < size(); ++row, tokens += count) {
        if (clocks_[row].phase == kTerminated) {
          std::fill_n(tokens, count, uint8_t{0});
        } else {
          rules_.Explain(StateOf(row), notes_[row], tokens);
        }
      }
    } else {
      EnvBatch::Explain(tokens);
    }
  }

  void Memoryless(const uint8_t* observations, Stream& random, uint8_t* actions) const override {
    for (int row = 0; row < size(); ++row) actions[row] = rules_.Memoryless(observations + TokenOffset(row), random);
  }

  bool IsCue(int row) const override {
    CheckStarted(row);
    return rules_.IsCue(StateOf(row));
  }

  void Cues(uint8_t* is_cue) const override {
    for (int row = 0; row < size(); ++row) is_cue[row] = IsCue(row);
  }

 private:
  enum Phase : uint32_t { kNotStarted, kRunning, kTerminated, kTruncated };

  struct Clock {
    int64_t steps = 0;
    int64_t limit = 0;
    int64_t curriculum = 0;  // its value when the episode began
    uint32_t next_episode = 0;
    uint32_t phase = kNotStarted;
  };
  static_assert(std::has_unique_object_representations_v<Clock>);

  struct alignas(64) CacheLine {
    std::byte bytes[64];
  };

  static Spec CompleteSpec(const P& params, const R& rules) {
    Spec spec = rules.MakeSpec();
    if (params.hint) spec.tokens.push_back({"hint: the oracle's action", spec.num_actions, spec.action_names});
    spec.metric_names.push_back("steps");
    if (HasExplanations<R> == spec.explanation.empty())
      throw std::logic_error(spec.family + (spec.explanation.empty() ? " has rules to Explain, but its spec has none"
                                                                     : " has no rules to Explain as its spec says"));
    return spec;
  }

  static void CheckOptions(const BatchOptions& options) {
    if (options.size < 1) throw std::invalid_argument(fmt::format("batch size is {}; allowed: >= 1", options.size));
    const uint64_t last = (uint64_t{1} << 32) - static_cast<uint64_t>(options.size);  // the key has 32 bits for it
    if (options.first_index <= last) return;
    throw std::invalid_argument(
        fmt::format("first_index is {}; allowed with size {}: 0..{}", options.first_index, options.size, last));
  }

  void CheckRow(int row) const {
    if (row >= 0 && row < size()) return;
    throw std::out_of_range(fmt::format("row is {}; allowed: 0..{}", row, size() - 1));
  }

  void CheckStarted(int row) const {
    CheckRow(row);
    if (clocks_[row].phase != kNotStarted) return;
    throw std::logic_error(fmt::format("row {} has no episode yet: call Reset", row));
  }

  static size_t StrideOf(const R& rules) {
    if constexpr (HasTail<R>) {
      const size_t bytes = sizeof(State) + rules.TailBytes();
      return (bytes + sizeof(CacheLine) - 1) / sizeof(CacheLine) * sizeof(CacheLine);
    }
    return sizeof(State);
  }

  // Without a tail the compiler knows the stride.
  size_t stride() const { return HasTail<R> ? stride_ : sizeof(State); }

  State& StateOf(int row) { return const_cast<State&>(std::as_const(*this).StateOf(row)); }
  const State& StateOf(int row) const {
    const auto* bytes = reinterpret_cast<const std::byte*>(states_.data());
    return *reinterpret_cast<const State*>(bytes + static_cast<size_t>(row) * stride());
  }

  size_t TokenOffset(int row) const { return static_cast<size_t>(row) * spec_.tokens.size(); }

  void Begin(int row) {
    Clock& clock = clocks_[row];
    Stream random(options_.seed, options_.purpose, static_cast<uint32_t>(options_.first_index) + row,
                  clock.next_episode++);
    rules_.Reset(StateOf(row), random);
    Start(row, rules_, curriculum_);
  }

  // `rules`: those that the level was made with.
  void Start(int row, const R& rules, int64_t curriculum) {
    Clock& clock = clocks_[row];
    clock.steps = 0;
    clock.limit = params_.max_steps > 0 ? params_.max_steps : rules.Limit(StateOf(row));
    clock.curriculum = curriculum;
    clock.phase = kRunning;
    if (!notes_.empty()) notes_[row] = {};
  }

  void Advance(int row, uint8_t action, const StepOutput& out) {
    Clock& clock = clocks_[row];
    const Outcome outcome = rules_.Step(StateOf(row), action);
    ++clock.steps;
    const bool truncated = !outcome.terminated && clock.steps >= clock.limit;
    out.rewards[row] = static_cast<float>(outcome.reward - params_.step_cost);
    out.terminated[row] = outcome.terminated;
    out.truncated[row] = truncated;
    if (outcome.terminated || truncated) [[unlikely]] {
      clock.phase = truncated ? kTruncated : kTerminated;
      float* metrics = metrics_.data() + static_cast<size_t>(row) * spec_.metric_names.size();
      rules_.Metrics(StateOf(row), metrics);
      metrics[spec_.metric_names.size() - 1] = static_cast<float>(clock.steps);
    }
  }

  void Write(int row, uint8_t* tokens) const {
    tokens = rules_.Observe(StateOf(row), tokens);
    if (params_.hint) [[unlikely]]
      *tokens = OracleAction(row);
  }

  // Nothing is left to do after termination; after truncation the clock alone stopped. Not inlined, so that an oracle
  // that takes many registers does not slow down steps without hint.
  [[gnu::noinline]] uint8_t OracleAction(int row) const {
    return clocks_[row].phase == kTerminated ? 0 : rules_.Oracle(StateOf(row));
  }

  ParamsOf<P> ParamsAt(int64_t curriculum) const {
    ParamsOf<P> params(params_);
    if (!spec_.curriculum_parameter.empty()) params.Set(spec_.curriculum_parameter, curriculum);
    return params;
  }

  void UseCurriculum(int64_t value) {
    curriculum_ = value;
    rules_ = R(ParamsAt(value).values);
  }

  // What a saved batch must have in common with the one that takes it over.
  Json Identity() const {
    Json identity = {{"env", spec_.family}, {"version", spec_.version}, {"size", size()}};
    identity.update(ParamsOf<P>(params_).ToJson());
    return identity;
  }

  const P params_;  // as configured
  R rules_;         // with the curriculum's present value
  const Spec spec_;
  const size_t stride_;  // bytes from one state to the next
  BatchOptions options_;
  int64_t curriculum_ = 0;
  std::vector<Clock> clocks_;
  std::vector<CacheLine> states_;  // a State and its tail per row; one with a tail starts on a line of its own
  std::vector<float> metrics_;
  std::vector<typename NotesOf<R>::Type> notes_;  // of the scout, one per row; none before it is asked
};

template <Environment R>
std::string Batch<R>::LevelJson(int row) const {
  CheckStarted(row);
  const Json params = ParamsAt(clocks_[row].curriculum).ToJson();
  Json record = {{"env", spec_.family}, {"version", spec_.version}, {"params", params}};
  record.update(rules_.Record(StateOf(row)));
  return record.dump();
}

template <Environment R>
void Batch<R>::LoadLevel(int row, const std::string& level_json) {
  CheckRow(row);
  const Json record = ParseLevel(level_json, spec_);
  ParamsOf<P> params(params_);
  params.FromJson(record["params"]);
  RequireEqual(ParamsOf<P>(params_).ToJson(), params.ToJson(), spec_.curriculum_parameter);
  const R rules(params.values);
  if constexpr (HasTail<R>) {
    if (rules.TailBytes() > R(params_).TailBytes()) {
      throw std::invalid_argument(fmt::format("{} is {}; this batch has room for {}", spec_.curriculum_parameter,
                                              params.Get(spec_.curriculum_parameter).dump(), spec_.curriculum_max));
    }
  }
  std::vector<std::byte> fresh(stride_);  // what throws must change nothing
  rules.Load(*new (fresh.data()) State{}, record);
  std::copy(fresh.begin(), fresh.end(), reinterpret_cast<std::byte*>(&StateOf(row)));
  const bool has_curriculum = !spec_.curriculum_parameter.empty();
  Start(row, rules, has_curriculum ? params.Get(spec_.curriculum_parameter).template get<int64_t>() : 0);
}

template <Environment R>
std::vector<std::byte> Batch<R>::Save() const {
  ByteWriter writer;
  writer.Write(Identity().dump());
  writer.Write(std::vector<uint64_t>{options_.seed, static_cast<uint64_t>(options_.purpose), options_.first_index});
  writer.Write(std::vector<int64_t>{curriculum_});
  writer.Write(clocks_);
  writer.Write(states_);
  writer.Write(metrics_);
  if (!notes_.empty()) writer.Write(notes_);
  writer.WriteChecksum();
  return writer.Take();
}

template <Environment R>
void Batch<R>::Restore(std::span<const std::byte> bytes) {
  ByteReader reader(bytes);
  reader.VerifyChecksum();
  const Json identity = Json::parse(reader.ReadText(), nullptr, /*allow_exceptions=*/false);
  RequireEqual(Identity(), identity);
  const auto options = reader.Read<uint64_t>(3);
  const auto curriculum = reader.Read<int64_t>(1);
  auto clocks = reader.Read<Clock>(clocks_.size());
  auto states = reader.Read<CacheLine>(states_.size());
  auto metrics = reader.Read<float>(metrics_.size());
  decltype(notes_) notes;
  if (HasScoutRules<R> && !reader.at_end()) notes = reader.Read<typename NotesOf<R>::Type>(clocks_.size());
  reader.ExpectEnd();
  UseCurriculum(curriculum[0]);
  options_.seed = options[0];
  options_.purpose = static_cast<Purpose>(options[1]);
  options_.first_index = options[2];
  clocks_.swap(clocks);
  states_.swap(states);
  metrics_.swap(metrics);
  notes_.swap(notes);
}

}  // namespace lethe::envs
