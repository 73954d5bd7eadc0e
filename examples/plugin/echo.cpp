#include <algorithm>
#include <stdexcept>
#include <string>

#include <fmt/format.h>

#include "envs/registration.h"

namespace lethe::envs {
namespace {

constexpr const char* kEchoRules = R"(Hear a word once, and say it when asked.

The first observation is a word. Then comes silence, and at last a question, which stays until something is said or the
clock runs out. The word that was heard pays 1.

    step          0   1   2   3   4      delay 3: three observations of silence
    heard         c   .   .   .   ?
    said          -   -   -   -   c

**Observation.** One token: 0 silence, 1 the question, 1 + k word k of 1 .. `words`.

**Actions.** 0 says nothing, k says word k. Before the question nobody listens: no action changes anything. At the
question a word terminates: reward 1 if it is the one that was heard, else 0.

**Limit.** delay + 1 + `patience` steps, so that the question can be met with silence `patience` times.

**Level.** The word is uniform in 1 .. `words`, the delay uniform in `delay_min` .. `delay_max`; independent. Record: `word`,
`delay`.

**Metrics.** success, wrong_word (both 0: out of time), delay, steps.

**Oracle.** Says nothing until asked, then the word: success 1 in delay + 2 steps.

**Memory needed.** delay + 1 steps, from the word to the question.

**Without memory** success is at most 1 / `words`. What is heard after the first observation does not depend on the word,
and neither does anything that was done at the first one, as nobody listened. So who sees only the question says word k
with a probability p_k that is the same whatever the right word is. Only one word can be said, so the p_k add up to at
most 1; the right word is uniform, so it is said with probability sum_k p_k / `words`. Always saying word 1 reaches it.

**Random actions** say something in time with probability 1 - (1 / (`words` + 1))^`patience`, and then the right word with
probability 1 / `words`.

**Source.** Ours; the smallest task that needs memory.
)";

struct EchoParams : TaskParams {
  int64_t words = 4;
  int64_t delay_min = 1;
  int64_t delay_max = 20;
  int64_t patience = 4;

  template <class V>
  void Visit(V& v) {
    v("words", words, configs::Range{2, 8}, "number of different words");
    v("delay_min", delay_min, configs::Range{0, 1'000'000}, "shortest silence, in observations");
    v("delay_max", delay_max, configs::Range{0, 1'000'000}, "longest silence");
    v("patience", patience, configs::Range{1, 1'000}, "steps for which the question stays");
    TaskParams::Visit(v);
  }

  void Check() const {
    if (delay_max >= delay_min) return;
    throw std::invalid_argument(fmt::format("delay_max is {}; allowed: >= delay_min, {}", delay_max, delay_min));
  }
};

class Echo {
 public:
  using Params = EchoParams;
  static constexpr const char* kFamily = "Echo";
  static constexpr int kVersion = 0;
  static constexpr const char* kRules = kEchoRules;

  struct State {
    int32_t delay;
    int32_t heard;  // observations before the present one; stays at the question
    uint16_t word;
    uint16_t said;  // 0: nothing yet
  };

  explicit Echo(const Params& params) : params_(params) {}

  Spec MakeSpec() const {
    Spec spec;
    spec.family = kFamily;
    spec.version = kVersion;
    spec.num_actions = static_cast<int>(params_.words) + 1;
    spec.action_names = {"silence"};
    for (int word = 1; word <= params_.words; ++word) spec.action_names.push_back(Name(word));
    spec.tokens = {{"heard: silence, the question, words", static_cast<int>(params_.words) + 2}};
    spec.metric_names = {"success", "wrong_word", "delay"};
    spec.curriculum_parameter = "delay_max";
    spec.curriculum_min = static_cast<double>(params_.delay_min);
    spec.curriculum_max = static_cast<double>(params_.delay_max);
    return spec;
  }

  void Reset(State& state, Stream& random) const {
    const int64_t word = random.Between(1, params_.words);
    Start(state, word, random.Between(params_.delay_min, params_.delay_max));
  }

  void Load(State& state, const Json& record) const {
    const int64_t word = IntegerField(record, "word", 1, params_.words);
    Start(state, word, IntegerField(record, "delay", params_.delay_min, params_.delay_max));
  }

  Json Record(const State& state) const { return {{"word", state.word}, {"delay", state.delay}}; }

  int64_t Limit(const State& state) const { return state.delay + 1 + params_.patience; }

  Outcome Step(State& state, uint8_t action) const {
    if (!IsAsked(state)) {
      ++state.heard;
      return {};
    }
    state.said = action;
    return {.reward = state.said == state.word ? 1.0 : 0.0, .terminated = action != 0};
  }

  uint8_t* Observe(const State& state, uint8_t* tokens) const {
    *tokens = IsCue(state) ? static_cast<uint8_t>(1 + state.word) : IsAsked(state);
    return tokens + 1;
  }

  void Metrics(const State& state, float* metrics) const {
    metrics[0] = state.said == state.word;
    metrics[1] = state.said != 0 && state.said != state.word;
    metrics[2] = static_cast<float>(state.delay);
  }

  uint8_t Oracle(const State& state) const { return IsAsked(state) ? static_cast<uint8_t>(state.word) : 0; }

  // "Always say word 1."
  uint8_t Memoryless(const uint8_t*, Stream&) const { return 1; }

  bool IsCue(const State& state) const { return state.heard == 0; }

  std::string Text(const State& state) const {
    const std::string heard = IsCue(state) ? Name(state.word) : IsAsked(state) ? "?" : ".";
    return fmt::format("heard {}  said {}\n", heard, state.said == 0 ? "-" : Name(state.said));
  }

 private:
  static std::string Name(int word) { return std::string(1, static_cast<char>('a' + word - 1)); }

  static bool IsAsked(const State& state) { return state.heard > state.delay; }

  static void Start(State& state, int64_t word, int64_t delay) {
    state = {.delay = static_cast<int32_t>(delay), .heard = 0, .word = static_cast<uint16_t>(word), .said = 0};
  }

  Params params_;
};

// Id, changed parameters, scores of oracle, best memoryless policy and random actions, horizon.
LETHE_REGISTER_ENV(Echo, {
                             {"Echo-v0", {}, {1, 0.25, 0.2496}, 21},
                             {"Echo-Long-v0", {{"delay_min", 100}, {"delay_max", 1'000}}, {1, 0.25, 0.2496}, 1'001},
                         });

}  // namespace
}  // namespace lethe::envs
