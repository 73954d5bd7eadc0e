#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "envs/params.h"
#include "envs/registration.h"
#include "envs/sequence/sequence_task.h"

namespace lethe::envs::sequence {

/// A named, versioned choice of parameters: the defaults of the family plus the changes.
struct TaskVariant {
  std::string id;
  std::vector<Change> changes;
};

/// One task id and how to build its streams. Constant after program start, so threads may share it.
struct TaskEntry {
  std::string id;      ///< "Copy-16k-v0"
  std::string family;  ///< "Copy"
  std::string rules;   ///< for people, in Markdown; the first line tells the purpose
  std::vector<Change> changes;
  /// The parameters of this id, to be changed at will before make_stream.
  std::function<std::unique_ptr<Params>()> make_params;
  /// Errors: std::invalid_argument for parameters out of range or of another family, bad options, or bad files.
  std::function<std::unique_ptr<SequenceStream>(const Params&, const StreamOptions&)> make_stream;
};

/// All ids, grouped by family, each family in the order of its file.
std::vector<std::string> Ids();

/// Errors: std::invalid_argument with the nearest id.
const TaskEntry& Find(const std::string& id);

/// Errors: std::invalid_argument for rows or steps below 1.
void CheckOptions(const StreamOptions& options);

/// What the files of tasks put on the list at program start.
std::vector<TaskEntry>& OwnTasks();

/// Puts all variants of the stream S on the list. S: a SequenceStream with a struct Params as environments have
/// (envs/params.h), kFamily, kRules and a constructor (const Params&, const StreamOptions&).
template <class S>
bool RegisterTask(const std::vector<TaskVariant>& variants) {
  using P = typename S::Params;
  for (const TaskVariant& variant : variants) {
    const auto make_params = [changes = variant.changes]() -> std::unique_ptr<Params> {
      auto params = std::make_unique<ParamsOf<P>>();
      for (const Change& change : changes) params->Set(change.name, change.value);
      return params;
    };
    const auto make_stream = [](const Params& params, const StreamOptions& options) -> std::unique_ptr<SequenceStream> {
      const auto* own = dynamic_cast<const ParamsOf<P>*>(&params);
      if (!own) throw std::invalid_argument(fmt::format("these are not parameters of {}", S::kFamily));
      own->Check();
      CheckOptions(options);
      return std::make_unique<S>(own->values, options);
    };
    OwnTasks().push_back({variant.id, S::kFamily, S::kRules, variant.changes, make_params, make_stream});
  }
  return true;
}

/// One line at the end of a task's file: LETHE_REGISTER_TASK(Stream, {variant, ...}).
#define LETHE_REGISTER_TASK(Stream, ...) \
  [[maybe_unused]] static const bool kRegistered##Stream = ::lethe::envs::sequence::RegisterTask<Stream>(__VA_ARGS__)

}  // namespace lethe::envs::sequence
