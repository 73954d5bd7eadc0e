#include "envs/registry.h"

#include <algorithm>

#include "configs/nearest.h"

namespace lethe::envs {
namespace {

using Entries = std::vector<std::unique_ptr<const Entry>>;  // pointers, because entries are handed out by reference

const std::string& FamilyOf(const std::unique_ptr<const Entry>& entry) { return entry->family; }

void AddTo(Entries& entries, Entry entry) {
  if (std::ranges::any_of(entries, [&](const auto& other) { return other->id == entry.id; }))
    throw std::invalid_argument(fmt::format("environment {} is there already", entry.id));
  const auto end_of_family = std::ranges::upper_bound(entries, entry.family, {}, FamilyOf);
  entries.insert(end_of_family, std::make_unique<const Entry>(std::move(entry)));
}

Entries& All() {
  static Entries entries = [] {
    Entries own;
    for (Entry& entry : OwnEntries()) AddTo(own, std::move(entry));
    return own;
  }();
  return entries;
}

const Entry* FindOrNull(const std::string& id) {
  const auto& entries = All();
  const auto found = std::ranges::find_if(entries, [&](const auto& entry) { return entry->id == id; });
  return found == entries.end() ? nullptr : found->get();
}

std::vector<std::string> Families() {
  std::vector<std::string> families;
  for (const auto& entry : All()) {
    if (families.empty() || families.back() != entry->family) families.push_back(entry->family);
  }
  return families;
}

}  // namespace

std::vector<std::string> Ids() {
  std::vector<std::string> ids;
  for (const auto& entry : All()) ids.push_back(entry->id);
  return ids;
}

const Entry& Find(const std::string& id) {
  if (const Entry* entry = FindOrNull(id)) return *entry;
  throw std::invalid_argument(fmt::format("unknown environment {}{}", id, configs::DidYouMean(id, Ids())));
}

const Entry& FindFamily(const std::string& family, int version) {
  for (const auto& entry : All()) {
    if (entry->family == family && entry->version == version) return *entry;
  }
  throw std::invalid_argument(fmt::format("unknown environment family {} version {}{}", family, version,
                                          configs::DidYouMean(family, Families())));
}

void Add(Entry entry) { AddTo(All(), std::move(entry)); }

}  // namespace lethe::envs
