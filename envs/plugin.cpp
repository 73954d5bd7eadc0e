#include "envs/plugin.h"

#include <dlfcn.h>

#include <filesystem>
#include <map>
#include <optional>

#include "envs/entry_check.h"
#include "envs/plugin_abi.h"
#include "envs/registry.h"

namespace lethe::envs {
namespace {

namespace fs = std::filesystem;

/// An open shared library; closed at the end of this object unless it is kept.
class Library {
 public:
  // Local, so that no name of a plug-in can take the place of another's; now, so that a missing symbol shows here.
  explicit Library(const fs::path& path) : handle_(::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
    if (handle_ != nullptr) return;
    const std::string reason = ::dlerror(), start = path.string() + ": ";
    throw std::runtime_error(reason.starts_with(start) ? reason.substr(start.size()) : reason);
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  ~Library() {
    if (!kept_) ::dlclose(handle_);
  }

  void Keep() { kept_ = true; }
  /// The same for every opening of one file.
  const void* handle() const { return handle_; }

  template <class Function>
  Function* Find(const char* name) const {
    void* symbol = ::dlsym(handle_, name);
    if (symbol == nullptr) throw std::runtime_error(fmt::format("no plug-in of Lethe: it has no function {}", name));
    return reinterpret_cast<Function*>(symbol);
  }

 private:
  void* const handle_;
  bool kept_ = false;
};

/// Ids of the plug-ins that are loaded, by library.
std::map<const void*, std::vector<std::string>>& Loaded() {
  static std::map<const void*, std::vector<std::string>> loaded;
  return loaded;
}

std::string ValueOf(const AbiFact& fact) { return fact.text != nullptr ? fact.text : std::to_string(fact.number); }

void RequireSame(const std::string& what, const std::string& plugin, const std::string& program) {
  if (plugin == program) return;
  throw std::runtime_error(
      fmt::format("compiled for another program: {}: the plug-in has {}, this program has {}; "
                  "build it again with the headers and the compiler of this one",
                  what, plugin, program));
}

void CheckAbi(const PluginAbi* abi) {
  if (abi == nullptr || abi->magic != kPluginMagic) throw std::runtime_error("no plug-in of Lethe: wrong magic number");
  RequireSame("version of the interface", std::to_string(abi->version), std::to_string(kPluginAbi.version));
  RequireSame("number of facts", std::to_string(abi->num_facts), std::to_string(kPluginAbi.num_facts));
  for (uint32_t i = 0; i < abi->num_facts; ++i) {
    RequireSame("facts", abi->facts[i].name, kPluginAbi.facts[i].name);
    RequireSame(abi->facts[i].name, ValueOf(abi->facts[i]), ValueOf(kPluginAbi.facts[i]));
  }
}

/// Holds what a plug-in registers until all of it is checked.
class Collector final : public Registry {
 public:
  void Add(Entry entry) override {
    const auto is_taken = [&](const std::string& id) { return id == entry.id; };
    const auto ids = Ids();
    if (std::ranges::any_of(ids, is_taken) || std::ranges::any_of(entries, is_taken, &Entry::id))
      throw std::invalid_argument(fmt::format("environment {} is there already", entry.id));
    // Level records name family and version alone, so nobody else may use them for other rules.
    for (const std::string& id : ids) {
      const Entry& other = Find(id);
      if (other.family == entry.family && other.version == entry.version)
        throw std::invalid_argument(
            fmt::format("{}: family {} version {} is there already", entry.id, entry.family, entry.version));
    }
    entries.push_back(std::move(entry));
  }

  std::vector<Entry> entries;
};

void Collect(const Library& library, Collector& collector) {
  CheckAbi(library.Find<const PluginAbi*()>("lethe_plugin_abi")());
  library.Find<void(Registry&)>("lethe_plugin_register")(collector);
  if (collector.entries.empty()) throw std::runtime_error("it registers no environment");
  for (const Entry& entry : collector.entries) CheckEntry(entry);
}

std::vector<std::string> AddAll(std::vector<Entry> entries) {
  std::vector<std::string> ids;
  for (Entry& entry : entries) {
    ids.push_back(entry.id);
    Add(std::move(entry));
  }
  return ids;
}

std::vector<std::string> Load(const std::string& path) {
  if (!fs::exists(path)) throw std::runtime_error("no such file");
  Library library(fs::canonical(path));  // a bare name would be looked for among the system's libraries
  if (const auto found = Loaded().find(library.handle()); found != Loaded().end()) return found->second;
  Collector collector;
  std::optional<std::string> refusal;
  try {
    Collect(library, collector);
  } catch (const std::exception& error) {
    refusal = error.what();  // a copy: the exception itself may be code of the plug-in, which is about to go
  } catch (...) {
    refusal = "it throws something that is no std::exception";
  }
  if (refusal) throw std::runtime_error(*refusal);
  library.Keep();
  return Loaded()[library.handle()] = AddAll(std::move(collector.entries));
}

}  // namespace

std::vector<std::string> LoadPlugin(const std::string& path) {
  try {
    return Load(path);
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(fmt::format("{}: {}", path, error.what()));
  }
}

}  // namespace lethe::envs
