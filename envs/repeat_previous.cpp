#include <algorithm>
#include <span>
#include <stdexcept>
#include <string>

#include <fmt/format.h>

#include "envs/registration.h"
#include "envs/symbols.h"

namespace lethe::envs {
namespace {

constexpr const char* kRepeatPreviousRules = R"(Say at every step what was shown k steps ago.

Every observation shows one symbol. From step k on the right action is the symbol shown k steps before; so k symbols and
their order have to be kept at any time, each dropped as soon as it was said. k = `lag`, N = `length`.

    step      0 1 2 3 4 5      k = 2, N = 6; the actions at steps 0 and 1 are not scored
    shown     2 0 3 3 1 0
    to say    - - 2 0 3 3

**One step t.** The observation shows symbol t; the action answers it. If t >= k and the action is symbol t - k, the
reward is 1 / (N - k), else 0. After N steps the episode terminates, whatever was said; the last observation shows
symbol N.

**Limit.** N steps, where it terminates anyway.

**Level.** Symbols 0 .. N, independent and uniform over the `symbols` values. Record: `symbols`, N + 1 of them.

**Metrics.** accuracy = right answers / (N - k), which is the return; steps.

**Oracle.** Says symbol t - k, and 0 before step k: accuracy 1.

**Memory needed.** k steps, for every symbol.

**Without memory** accuracy is exactly 1 / `symbols`, whatever the policy: the action at step t depends on symbol t and
chance, which are independent of symbol t - k, and that is uniform. Any memory of fewer than k steps fares no better.

**Random actions.** The same 1 / `symbols`.

**Source.** Morad et al., "POPGym: Benchmarking partially observable reinforcement learning", ICLR 2023: RepeatPrevious,
four symbols, k = 4, 32, 64. Ours: symbols are independent instead of dealt from decks, where counting cards would help;
a wrong answer costs nothing instead of 1 / (N - k); the lengths; k = 0 would be the symbol in sight, which is k = 1
there.
)";

struct RepeatPreviousParams : SymbolParams {
  int64_t lag = 32;
  int64_t length = 128;

  template <class V>
  void Visit(V& v) {
    SymbolParams::Visit(v);
    v("lag", lag, configs::Range{1, 1'000'000}, "how many steps ago the symbol to say was shown");
    v("length", length, configs::Range{2, 2'000'000}, "steps of an episode, more than lag");
  }

  void Check() const {
    if (length > lag) return;
    throw std::invalid_argument(fmt::format("length is {}; allowed: > lag, {}", length, lag));
  }
};

class RepeatPrevious {
 public:
  using Params = RepeatPreviousParams;
  static constexpr const char* kFamily = "RepeatPrevious";
  static constexpr int kVersion = 0;
  static constexpr const char* kRules = kRepeatPreviousRules;

  struct State {
    int32_t lag;
    int32_t step;
    int32_t right;
  };  // the symbols follow

  explicit RepeatPrevious(const Params& params) : params_(params), length_(static_cast<int>(params.length)) {}

  size_t TailBytes() const { return static_cast<size_t>(length_) + 1; }

  Spec MakeSpec() const {
    Spec spec = SymbolSpec(kFamily, kVersion, params_.symbols);
    spec.tokens = {{"symbol", spec.num_actions}};
    spec.curriculum_parameter = "lag";
    spec.curriculum_min = 1;
    spec.curriculum_max = static_cast<double>(params_.lag);
    return spec;
  }

  void Reset(State& state, Stream& random) const {
    Start(state);
    DrawSymbols(SymbolsOf(state, length_ + 1), params_.symbols, random);
  }

  void Load(State& state, const Json& record) const {
    Start(state);
    LoadSymbols(SymbolsOf(state, length_ + 1), params_.symbols, record);
  }

  Json Record(const State& state) const { return RecordSymbols(SymbolsOf(state, length_ + 1)); }

  int64_t Limit(const State&) const { return length_; }

  Outcome Step(State& state, uint8_t action) const {
    const bool right = IsScored(state) & (action == ToSay(state));
    state.right += right;
    ++state.step;
    return {.reward = right * (1.0 / (length_ - state.lag)), .terminated = state.step == length_};
  }

  uint8_t* Observe(const State& state, uint8_t* tokens) const {
    *tokens++ = TailOf<uint8_t>(state)[state.step];
    return tokens;
  }

  void Metrics(const State& state, float* metrics) const {
    metrics[0] = static_cast<float>(static_cast<double>(state.right) / (length_ - state.lag));
  }

  uint8_t Oracle(const State& state) const { return IsScored(state) ? ToSay(state) : 0; }

  // Nothing is better, and nothing worse.
  uint8_t Memoryless(const uint8_t* tokens, Stream&) const { return tokens[0]; }

  // Every symbol has to be remembered.
  bool IsCue(const State&) const { return true; }

  std::string Text(const State& state) const {
    const std::string to_say = IsScored(state) ? fmt::format("{}", ToSay(state)) : "-";
    return fmt::format("step {} of {}\nshown {}\nto say {}\n", state.step, length_, TailOf<uint8_t>(state)[state.step],
                       to_say);
  }

 private:
  void Start(State& state) const { state = {.lag = static_cast<int32_t>(params_.lag), .step = 0, .right = 0}; }

  static bool IsScored(const State& state) { return state.step >= state.lag; }

  // The answer to the present observation; symbol 0 before step `lag`, so that Step has nothing to decide.
  uint8_t ToSay(const State& state) const { return TailOf<uint8_t>(state)[std::max(state.step - state.lag, 0)]; }

  Params params_;
  int length_;
};

LETHE_REGISTER_ENV(RepeatPrevious,
                   {
                       {"RepeatPrevious-v0", {}, {1, 0.25, 0.25}, 32},
                       {"RepeatPrevious-Short-v0", {{"lag", 4}, {"length", 32}}, {1, 0.25, 0.25}, 4},
                       {"RepeatPrevious-Long-v0", {{"lag", 256}, {"length", 1'024}}, {1, 0.25, 0.25}, 256},
                   });

}  // namespace
}  // namespace lethe::envs
