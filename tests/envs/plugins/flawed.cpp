// A plug-in with the flaw that the environment variable LETHE_TEST_FLAW names when it is loaded; without one, a good
// plug-in with the environments Told-v0 and Told-Twice-v0.

#include <array>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "envs/plugin_abi.h"

namespace lethe::envs {
namespace {

std::string Flaw() {
  const char* flaw = std::getenv("LETHE_TEST_FLAW");
  return flaw == nullptr ? "" : flaw;
}

struct ToldParams : TaskParams {
  int64_t times = 1;

  template <class V>
  void Visit(V& v) {
    v("times", times, configs::Range{1, 2}, "how often it is told");
    TaskParams::Visit(v);
  }
  void Check() const {
    if (Flaw() == "check") throw std::logic_error("never good enough");
  }
};

// Which of two actions pays is told once, or twice; then comes the choice.
struct Told {
  using Params = ToldParams;
  static constexpr const char* kFamily = "Told";
  static constexpr int kVersion = 0;
  static constexpr const char* kRules = "Remember which action pays.";

  struct State {
    int32_t steps;
    int32_t right;
  };

  struct Notes {
    uint8_t told;  // 1 + right; 0: not yet
  };

  explicit Told(const Params& params) : times(params.times) {}

  Spec MakeSpec() const {
    Spec spec;
    spec.family = kFamily;
    spec.version = kVersion;
    spec.num_actions = 2;
    spec.action_names = {"left", "right"};
    if (Flaw() == "action_name") spec.action_names[1] = "";
    if (Flaw() == "same_names") spec.action_names[1] = "left";
    spec.tokens = {{"what pays: nothing to see, left, right", 3}};
    if (Flaw() == "meaning") spec.tokens[0].meaning = "";
    if (Flaw() == "cells") spec.cells = 1;
    if (Flaw() == "cell_values") spec.cells = 2, spec.tokens = {{"a", 3}, {"b", 2}, {"c", 4}, {"d", 2}};
    if (Flaw() == "value_names") spec.tokens[0].values = {"nothing", "left", "right", "both"};
    if (Flaw() != "no_explanation") spec.explanation = {{"what pays: not told, left, right", 3}};
    if (Flaw() == "explanation_values") spec.explanation[0].vocabulary = 300;
    spec.metric_names = {Flaw() == "metrics" ? "failure" : "success"};
    if (Flaw() == "curriculum") spec.curriculum_parameter = "tmies";
    if (Flaw() == "curriculum_type") spec.curriculum_parameter = "hint";
    if (Flaw() == "curriculum_range") spec.curriculum_parameter = "times", spec.curriculum_min = 2;
    return spec;
  }
  void Reset(State& state, Stream& random) const { state = {0, static_cast<int32_t>(random.Below(2))}; }
  void Load(State& state, const Json& record) const {
    state = {0, static_cast<int32_t>(IntegerField(record, "right", 0, 1))};
  }
  Json Record(const State& state) const { return {{"right", state.right}}; }
  int64_t Limit(const State&) const { return times + 2; }
  Outcome Step(State& state, uint8_t action) const {
    if (state.steps++ < times) return {};
    return {.reward = action == state.right ? 1.0 : 0.0, .terminated = true};
  }
  uint8_t* Observe(const State& state, uint8_t* tokens) const {
    if (Flaw() == "more_tokens") tokens[9] = 0;
    if (Flaw() == "unwritten") return tokens + 1;
    *tokens = Flaw() == "tokens" ? 7 : IsCue(state) ? static_cast<uint8_t>(1 + state.right) : 0;
    return tokens + 1;
  }
  void Metrics(const State&, float* metrics) const { metrics[0] = 0; }
  uint8_t Oracle(const State& state) const { return static_cast<uint8_t>(state.right); }
  uint8_t Scout(const State& state, Notes& notes) const {
    if (IsCue(state)) notes.told = static_cast<uint8_t>(1 + state.right);
    return notes.told == 2;
  }
  uint8_t* Explain(const State&, const Notes& notes, uint8_t* tokens) const {
    if (Flaw() == "explains_more") tokens[9] = 0;
    if (Flaw() != "unexplained") *tokens = Flaw() == "explains_else" ? 7 : notes.told;
    return tokens + 1;
  }
  uint8_t Memoryless(const uint8_t*, Stream&) const { return 0; }
  bool IsCue(const State& state) const { return state.steps < times; }
  std::string Text(const State&) const { return "told\n"; }

  int64_t times;
};

LETHE_REGISTER_ENV(Told, {
                             {"Told-v0", {}, {1, 0.5, 0.5}, 1},
                             {"Told-Twice-v0", {{"times", 2}}, {1, 0.5, 0.5}, 1},
                         });

// What is registered with the flaw; good without.
Entry Spoilt(Entry entry) {
  const std::string flaw = Flaw();
  if (flaw == "taken") entry.id = "Corridor-v0";
  if (flaw == "twice") entry.id = "Told-v0";
  if (flaw == "family") entry.family = "Corridor", entry.id = "Corridor-Told-v0";
  if (flaw == "id") entry.id = "told-v0";
  if (flaw == "id_version") entry.id = "Told-v1";
  if (flaw == "other_spec") entry.family = "Tell", entry.id = "Tell-v0";
  if (flaw == "rules") entry.rules = "";
  if (flaw == "no_batch") entry.make_batch = nullptr;
  if (flaw == "null_batch") entry.make_batch = [](const Params&, const BatchOptions&) { return nullptr; };
  if (flaw == "null_params") entry.make_params = [] { return nullptr; };
  return entry;
}

// Of a class that nobody else knows, and that is gone with the library.
struct OwnError : std::exception {
  const char* what() const noexcept override { return "an error of its own"; }
};

}  // namespace
}  // namespace lethe::envs

extern "C" {

[[gnu::visibility("default")]] const lethe::envs::PluginAbi* lethe_plugin_abi() {
  using namespace lethe::envs;
  static std::array<AbiFact, std::size(detail::kFacts)> facts;
  static PluginAbi abi;
  std::copy_n(detail::kFacts, facts.size(), facts.begin());
  abi = kPluginAbi;
  abi.facts = facts.data();
  const std::string flaw = Flaw();
  if (flaw == "magic") abi.magic = 5;
  if (flaw == "version") abi.version = 4'000'000, abi.facts = nullptr;  // whose facts may be anything
  if (flaw == "facts") abi.num_facts = 3;
  if (flaw == "compiler") facts[0].text = "GCC 4";
  if (flaw == "size") facts.back().number += 8;
  if (flaw == "name") facts.back().name = "size of the moon";
  return flaw == "no_abi" ? nullptr : &abi;
}

[[gnu::visibility("default")]] void lethe_plugin_register(lethe::envs::Registry& registry) {
  using namespace lethe::envs;
  const std::string flaw = Flaw();
  if (flaw == "nothing") return;
  // A good one first: it must not stay behind.
  registry.Add(OwnEntries().front());
  if (flaw == "throw") throw OwnError();
  if (flaw == "throw_number") throw 5;
  registry.Add(Spoilt(OwnEntries().back()));
}
}
