#include "envs/registry.h"

#include <algorithm>

#include "configs/nearest.h"

namespace lethe::envs {
namespace {

// Filled while the program starts, in whatever order the files are linked, and constant from then on.
// Pointers, because entries are handed out by reference.
std::vector<std::unique_ptr<const Entry>>& Entries() {
  static std::vector<std::unique_ptr<const Entry>> entries;
  return entries;
}

const Entry* FindOrNull(const std::string& id) {
  const auto& entries = Entries();
  const auto found = std::ranges::find_if(entries, [&](const auto& entry) { return entry->id == id; });
  return found == entries.end() ? nullptr : found->get();
}

const std::string& FamilyOf(const std::unique_ptr<const Entry>& entry) { return entry->family; }

std::vector<std::string> Families() {
  std::vector<std::string> families;
  for (const auto& entry : Entries()) {
    if (families.empty() || families.back() != entry->family) families.push_back(entry->family);
  }
  return families;
}

}  // namespace

std::vector<std::string> Ids() {
  std::vector<std::string> ids;
  for (const auto& entry : Entries()) ids.push_back(entry->id);
  return ids;
}

const Entry& Find(const std::string& id) {
  if (const Entry* entry = FindOrNull(id)) return *entry;
  throw std::invalid_argument(fmt::format("unknown environment {}{}", id, configs::DidYouMean(id, Ids())));
}

const Entry& FindFamily(const std::string& family, int version) {
  for (const auto& entry : Entries()) {
    if (entry->family == family && entry->version == version) return *entry;
  }
  throw std::invalid_argument(fmt::format("unknown environment family {} version {}{}", family, version,
                                          configs::DidYouMean(family, Families())));
}

void Add(Entry entry) {
  if (FindOrNull(entry.id)) throw std::logic_error("environment registered twice: " + entry.id);
  auto& entries = Entries();
  const auto end_of_family = std::ranges::upper_bound(entries, entry.family, {}, FamilyOf);
  entries.insert(end_of_family, std::make_unique<const Entry>(std::move(entry)));
}

}  // namespace lethe::envs
