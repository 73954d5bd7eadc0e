#include "tools/plugins.h"

#include <fmt/format.h>

#include "envs/plugin.h"

namespace lethe::tools {
namespace {

constexpr const char* kFlag = "--plugin";

std::vector<std::string> loaded;

/// Takes the first `--plugin` out of the words; its file, or "" if there is none.
std::string TakeFile(std::vector<std::string>& words) {
  const std::string joined = std::string(kFlag) + "=";
  const auto is_plugin = [&](const std::string& word) { return word == kFlag || word.starts_with(joined); };
  const auto flag = std::find_if(words.begin(), words.end(), is_plugin);
  if (flag == words.end()) return "";
  const bool stands_apart = *flag == kFlag;
  const auto value = flag + stands_apart;
  if (value == words.end() || (stands_apart && value->starts_with("-")) || *value == joined)
    throw UserError(fmt::format("{} needs a value", kFlag));
  const std::string file = stands_apart ? *value : value->substr(joined.size());
  words.erase(flag, value + 1);
  return file;
}

}  // namespace

Flag PluginFlag() { return {"plugin", "FILE", "a shared library with environments; may be given several times"}; }

std::string LoadPlugins(std::vector<std::string>& words) {
  std::string flags;
  for (std::string file; !(file = TakeFile(words)).empty(); loaded.push_back(file)) {
    AsUserError([&] { return envs::LoadPlugin(file); });
    flags += fmt::format(" {} {}", kFlag, file);
  }
  return flags;
}

const std::vector<std::string>& LoadedPlugins() { return loaded; }

std::string PluginHint(const std::string& message) {
  if (!loaded.empty() || message.find("unknown environment ") == std::string::npos) return "";
  return message.ends_with("?") ? " Or is it one of a plug-in? Then name its file: --plugin FILE"
                                : "; if it is one of a plug-in, name its file: --plugin FILE";
}

}  // namespace lethe::tools
