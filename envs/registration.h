#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "envs/batch.h"
#include "envs/env_batch.h"
#include "envs/params.h"

namespace lethe::envs {

// What the file of an environment includes. Header-only, so that a plug-in needs no symbol of the program.

/// What an environment states of itself; tests hold it to these numbers. All in units of spec().score_metric.
struct Scores {
  double oracle = 0;
  double memoryless = 0;  ///< the best any policy can do that sees only the present observation
  double random = 0;      ///< uniformly random actions
};

/// One changed parameter of a variant.
struct Change {
  std::string name;
  Json value;
};

/// A named, versioned choice of parameters: the defaults of the family plus the changes.
struct Variant {
  std::string id;
  std::vector<Change> changes;
  Scores scores;
  int64_t horizon = 0;  ///< steps from the last sight of a fact to its use by the oracle, at the most
};

/// One environment id and how to build it. Constant after program start, so threads may share it.
struct Entry {
  std::string id;      ///< "Corridor-Short-v0"
  std::string family;  ///< "Corridor"
  int version = 0;
  std::string rules;  ///< for people, in Markdown; the first line tells the purpose
  std::vector<Change> changes;
  Scores scores;
  int64_t horizon = 0;  ///< see Variant
  /// The parameters of this id, to be changed at will before make_batch.
  std::function<std::unique_ptr<Params>()> make_params;
  /// Errors: std::invalid_argument for parameters out of range or of another family, or bad options.
  std::function<std::unique_ptr<EnvBatch>(const Params&, const BatchOptions&)> make_batch;
};

/// Takes entries in: the registry of the program (envs/registry.h), as a plug-in sees it.
class Registry {
 public:
  virtual ~Registry() = default;
  /// Errors: std::invalid_argument if the id is taken.
  virtual void Add(Entry entry) = 0;
};

/// The entries whose files are linked into this very program or plug-in; hidden, so that each has a list of its own.
[[gnu::visibility("hidden")]] inline std::vector<Entry>& OwnEntries() {
  static std::vector<Entry> entries;
  return entries;
}

/// Puts all variants of the rules R on the list (see Environment in envs/batch.h).
template <Environment R>
bool Register(const std::vector<Variant>& variants) {
  using P = typename R::Params;
  for (const Variant& variant : variants) {
    const auto make_params = [changes = variant.changes]() -> std::unique_ptr<Params> {
      auto params = std::make_unique<ParamsOf<P>>();
      for (const Change& change : changes) params->Set(change.name, change.value);
      return params;
    };
    const auto make_batch = [](const Params& params, const BatchOptions& options) -> std::unique_ptr<EnvBatch> {
      const auto* own = dynamic_cast<const ParamsOf<P>*>(&params);
      if (!own) throw std::invalid_argument(fmt::format("these are not parameters of {}", R::kFamily));
      own->Check();
      return std::make_unique<Batch<R>>(own->values, options);
    };
    OwnEntries().push_back({variant.id, R::kFamily, R::kVersion, R::kRules, variant.changes, variant.scores,
                            variant.horizon, make_params, make_batch});
  }
  return true;
}

/// One line at the end of an environment's file: LETHE_REGISTER_ENV(Rules, {variant, ...}).
#define LETHE_REGISTER_ENV(Rules, ...) \
  [[maybe_unused]] static const bool kRegistered##Rules = ::lethe::envs::Register<Rules>(__VA_ARGS__)

}  // namespace lethe::envs
