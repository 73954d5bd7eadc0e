#include "memory/registry.h"

#include <algorithm>
#include <stdexcept>

namespace lethe::memory {

namespace {

std::vector<CoreInfo>& All() {
  static std::vector<CoreInfo> cores;
  return cores;
}

bool IsName(const std::string& name) {
  return !name.empty() && name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos;
}

bool ByName(const CoreInfo& a, const CoreInfo& b) { return a.name < b.name; }

}  // namespace

const std::vector<CoreInfo>& Cores() { return All(); }

std::vector<std::string> CoreNames() {
  std::vector<std::string> names;
  for (const CoreInfo& core : All()) names.push_back(core.name);
  return names;
}

const CoreInfo& FindCore(const std::string& name) {
  std::string names;
  for (const CoreInfo& core : All()) {
    if (core.name == name) return core;
    names += (names.empty() ? "" : ", ") + core.name;
  }
  throw std::invalid_argument("no memory core `" + name + "`, allowed: " + names);
}

bool RegisterCore(CoreInfo info) {
  if (!IsName(info.name)) throw std::logic_error("memory core `" + info.name + "`: a name is made of a-z, 0-9 and _");
  const auto place = std::lower_bound(All().begin(), All().end(), info, ByName);
  if (place != All().end() && place->name == info.name)
    throw std::logic_error("memory core `" + info.name + "` is registered twice");
  All().insert(place, std::move(info));
  return true;
}

}  // namespace lethe::memory
