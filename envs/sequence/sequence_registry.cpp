#include "envs/sequence/sequence_registry.h"

#include <algorithm>

#include "configs/nearest.h"

namespace lethe::envs::sequence {
namespace {

// Files register in the order they were linked in; people read them by name.
std::vector<TaskEntry> Sorted(std::vector<TaskEntry> entries) {
  std::ranges::stable_sort(entries, {}, &TaskEntry::family);
  return entries;
}

const std::vector<TaskEntry>& All() {
  static const std::vector<TaskEntry> entries = Sorted(OwnTasks());
  return entries;
}

}  // namespace

std::vector<TaskEntry>& OwnTasks() {
  static std::vector<TaskEntry> entries;
  return entries;
}

std::vector<std::string> Ids() {
  std::vector<std::string> ids;
  for (const TaskEntry& entry : All()) ids.push_back(entry.id);
  return ids;
}

const TaskEntry& Find(const std::string& id) {
  const auto found = std::ranges::find(All(), id, &TaskEntry::id);
  if (found != All().end()) return *found;
  throw std::invalid_argument(fmt::format("unknown sequence task {}{}", id, configs::DidYouMean(id, Ids())));
}

void CheckOptions(const StreamOptions& options) {
  if (options.rows < 1) throw std::invalid_argument(fmt::format("rows is {}; allowed: >= 1", options.rows));
  if (options.steps < 1) throw std::invalid_argument(fmt::format("steps is {}; allowed: >= 1", options.steps));
}

}  // namespace lethe::envs::sequence
