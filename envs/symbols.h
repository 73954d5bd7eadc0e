#pragma once

#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "configs/range.h"
#include "envs/batch.h"
#include "envs/json.h"
#include "envs/params.h"
#include "envs/spec.h"
#include "envs/stream.h"

namespace lethe::envs {

// What tasks share that show a sequence of symbols 0 .. `symbols` - 1, drawn independently and uniformly, and take
// symbols as answers: action a says "symbol a".

/// Parameters of such a task; the parameter struct of a family derives from it.
struct SymbolParams : TaskParams {
  int64_t symbols = 4;

  template <class V>
  void Visit(V& v) {
    TaskParams::Visit(v);
    v("symbols", symbols, configs::Range{2, 64}, "number of different symbols");
  }
};

/// Spec of such a task, which is scored by `accuracy`; the family adds tokens and curriculum.
inline Spec SymbolSpec(const std::string& family, int version, int64_t symbols) {
  Spec spec;
  spec.family = family;
  spec.version = version;
  spec.num_actions = static_cast<int>(symbols);
  for (int64_t i = 0; i < symbols; ++i) spec.action_names.push_back(fmt::format("symbol {}", i));
  spec.metric_names = {"accuracy"};
  spec.score_metric = "accuracy";
  return spec;
}

/// The sequence, of `length` symbols behind the State.
template <class State>
auto SymbolsOf(State& state, int length) {
  return std::span(TailOf<uint8_t>(state), static_cast<size_t>(length));
}

inline void DrawSymbols(std::span<uint8_t> sequence, int64_t symbols, Stream& random) {
  for (uint8_t& symbol : sequence) symbol = static_cast<uint8_t>(random.Below(static_cast<uint32_t>(symbols)));
}

/// Reads the member "symbols" of a level record: as many as the sequence is long.
/// Errors: std::invalid_argument with the item at fault.
inline void LoadSymbols(std::span<uint8_t> sequence, int64_t symbols, const Json& record) {
  const Json& list = Field(record, "symbols");
  if (!list.is_array() || list.size() != sequence.size()) {
    throw std::invalid_argument(fmt::format("symbols is {}; allowed: a list of {}", list.dump(), sequence.size()));
  }
  for (size_t i = 0; i < sequence.size(); ++i) {
    sequence[i] = static_cast<uint8_t>(IntegerIn(list[i], fmt::format("symbols[{}]", i), 0, symbols - 1));
  }
}

inline Json RecordSymbols(std::span<const uint8_t> sequence) {
  return {{"symbols", std::vector<int>(sequence.begin(), sequence.end())}};
}

}  // namespace lethe::envs
