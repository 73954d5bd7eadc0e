#include <algorithm>
#include <span>
#include <string>

#include <fmt/format.h>

#include "envs/registration.h"
#include "envs/symbols.h"

namespace lethe::envs {
namespace {

constexpr const char* kAutoencodeRules = R"(Say a sequence backwards after it was shown.

First n symbols are shown, one a step; then n observations say nothing but "recall", and the actions have to give the
symbols in reverse order. n = `length`.

    step      0 1 2 3 4 5      n = 3, R recall
    shown     2 0 3 R R R
    to say    - - - 3 0 2

**One step t.** For t < n the observation shows symbol t and the action has no effect. For n <= t < 2n the observation
is recall, and if the action is symbol 2n - 1 - t the reward is 1 / n, else 0. After 2n steps the episode terminates,
whatever was said; the last observation is recall.

**Limit.** 2n steps, where it terminates anyway.

**Level.** Symbols 0 .. n - 1, independent and uniform over the `symbols` values. Record: `symbols`.

**Metrics.** accuracy = right answers / n, which is the return; steps.

**Oracle.** Says symbol 2n - 1 - t, and 0 while symbols are shown: accuracy 1.

**Memory needed.** Symbol i is shown at step i and said at step 2n - 1 - i: 2 (n - i) - 1 steps, at the most 2n - 1.

**Without memory** accuracy is exactly 1 / `symbols`, whatever the policy: actions before recall change nothing, and the
action on a recall observation, always the same one, depends on chance alone, while the symbol to say is uniform.

**Random actions.** The same 1 / `symbols`.

**Source.** Morad et al., "POPGym: Benchmarking partially observable reinforcement learning", ICLR 2023: Autoencode,
four symbols. Ours: symbols are independent instead of dealt from decks, where counting cards would help; recall begins
one step later, when the last symbol is gone from sight; a wrong answer costs nothing instead of 1 / n; the lengths.
)";

struct AutoencodeParams : SymbolParams {
  int64_t length = 32;

  template <class V>
  void Visit(V& v) {
    SymbolParams::Visit(v);
    v("length", length, configs::Range{1, 1'000'000}, "number of symbols shown, and said");
  }
};

class Autoencode {
 public:
  using Params = AutoencodeParams;
  static constexpr const char* kFamily = "Autoencode";
  static constexpr int kVersion = 0;
  static constexpr const char* kRules = kAutoencodeRules;

  struct State {
    int32_t length;
    int32_t step;
    int32_t right;
  };  // the symbols follow

  explicit Autoencode(const Params& params) : params_(params) {}

  size_t TailBytes() const { return static_cast<size_t>(params_.length); }

  Spec MakeSpec() const {
    Spec spec = SymbolSpec(kFamily, kVersion, params_.symbols);
    spec.tokens = {{fmt::format("symbol; {} recall", params_.symbols), spec.num_actions + 1}};
    spec.curriculum_parameter = "length";
    spec.curriculum_min = 1;
    spec.curriculum_max = static_cast<double>(params_.length);
    return spec;
  }

  void Reset(State& state, Stream& random) const {
    Start(state);
    DrawSymbols(SymbolsOf(state, state.length), params_.symbols, random);
  }

  void Load(State& state, const Json& record) const {
    Start(state);
    LoadSymbols(SymbolsOf(state, state.length), params_.symbols, record);
  }

  Json Record(const State& state) const { return RecordSymbols(SymbolsOf(state, state.length)); }

  int64_t Limit(const State& state) const { return 2 * int64_t{state.length}; }

  Outcome Step(State& state, uint8_t action) const {
    const bool right = IsRecall(state) & (action == TailOf<uint8_t>(state)[Place(state)]);
    state.right += right;
    ++state.step;
    return {.reward = right * (1.0 / state.length), .terminated = state.step == 2 * state.length};
  }

  uint8_t* Observe(const State& state, uint8_t* tokens) const {
    *tokens++ = IsRecall(state) ? static_cast<uint8_t>(params_.symbols) : TailOf<uint8_t>(state)[state.step];
    return tokens;
  }

  void Metrics(const State& state, float* metrics) const {
    metrics[0] = static_cast<float>(static_cast<double>(state.right) / state.length);
  }

  uint8_t Oracle(const State& state) const { return IsRecall(state) ? TailOf<uint8_t>(state)[Place(state)] : 0; }

  // Nothing is better, and nothing worse.
  uint8_t Memoryless(const uint8_t*, Stream&) const { return 0; }

  bool IsCue(const State& state) const { return !IsRecall(state); }

  std::string Text(const State& state) const {
    const std::string symbol = fmt::format("{}", TailOf<uint8_t>(state)[Place(state)]);
    const bool recall = IsRecall(state);
    return fmt::format("step {} of {}\nshown {}\nto say {}\n", state.step, 2 * state.length, recall ? "recall" : symbol,
                       recall ? symbol : "-");
  }

 private:
  void Start(State& state) const { state = {.length = static_cast<int32_t>(params_.length), .step = 0, .right = 0}; }

  static bool IsRecall(const State& state) { return state.step >= state.length; }

  // Of the symbol that is shown or has to be said; after the end, of the first.
  static int Place(const State& state) { return std::max(std::min(state.step, 2 * state.length - 1 - state.step), 0); }

  Params params_;
};

LETHE_REGISTER_ENV(Autoencode, {
                                   {"Autoencode-v0", {}, {1, 0.25, 0.25}, 63},
                                   {"Autoencode-Short-v0", {{"length", 4}}, {1, 0.25, 0.25}, 7},
                                   {"Autoencode-Long-v0", {{"length", 256}}, {1, 0.25, 0.25}, 511},
                               });

}  // namespace
}  // namespace lethe::envs
