#include "tools/run_config.h"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <torch/version.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>

#include "memory/kernels/dispatch.h"
#include "memory/registry.h"
#include "tools/build_info.h"

namespace lethe::tools {
namespace {

constexpr std::string_view kFactPrefix = "# ";

/// Everything besides options and files that decides the bits of a run.
struct Fact {
  const char* name;
  std::string value;
};

std::string Processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) return line.substr(std::min(line.find(": ") + 2, line.size()));
  utsname system{};
  return ::uname(&system) == 0 ? system.machine : "unknown";
}

std::string VectorWidth() {
  constexpr std::array kNames = {"baseline", "AVX2", "AVX-512", "AVX-512 with bfloat16"};
  return kNames.at(static_cast<size_t>(memory::SelectedIsa()));
}

std::vector<Fact> Facts() {
  const BuildInfo build = GetBuildInfo();
  return {{"lethe", build.version},    {"git", build.git_version}, {"compiler", build.compiler}, {"flags", build.flags},
          {"LibTorch", TORCH_VERSION}, {"processor", Processor()}, {"kernels", VectorWidth()}};
}

/// One Document entry per option, "name" -> "value".
std::map<std::string, std::string> Values(const std::string& options) {
  const auto document = configs::Document::FromText(options, "options");
  std::map<std::string, std::string> values;
  for (const auto& entry : document.entries())
    if (!entry.is_section) values[entry.key] = entry.text;
  return values;
}

/// Options of the file that went with its core and that the core of the command line does not have.
std::vector<std::string> LeaveOutOptionsOf(const std::string& file_core, configs::Document& document) {
  const std::string core = document.Find("memory.core").value_or(file_core);
  const auto known = memory::CoreNames();
  const auto is_known = [&](const std::string& name) {
    return std::find(known.begin(), known.end(), name) != known.end();
  };
  if (core == file_core || !is_known(core) || !is_known(file_core)) return {};
  const auto kept = agents::CoreOptionNames(core);
  std::vector<std::string> left_out;
  for (const std::string& name : agents::CoreOptionNames(file_core)) {
    if (std::find(kept.begin(), kept.end(), name) != kept.end()) continue;
    if (document.RemoveFromFile("memory." + name)) left_out.push_back("memory." + name);
  }
  return left_out;
}

}  // namespace

configs::Document WithOverrides(configs::Document document, const CommandLine& line) {
  const std::string file_core = document.Find("memory.core").value_or(agents::CoreChoice().name);
  for (const std::string& assignment : line.overrides()) document.Override(assignment);
  if (const auto left_out = LeaveOutOptionsOf(file_core, document); !left_out.empty())
    fmt::print(stderr, "memory.core={0}: options of the file that {0} does not have are left out: {1}\n",
               *document.Find("memory.core"), fmt::join(left_out, ", "));
  if (line.Has("device")) document.Override("device=" + line.Text("device"));
  return document;
}

std::unique_ptr<agents::RunOptions> ReadOptions(configs::Document document, const CommandLine& line) {
  document = WithOverrides(std::move(document), line);
  return AsUserError([&] { return agents::ReadRunOptions(document); });
}

std::string RunConfigText(const std::string& options) {
  std::string text =
      "# Every option of this run. Written by the program, which reads it again to resume and to evaluate.\n";
  for (const Fact& fact : Facts()) text += fmt::format("{}{}: {}\n", kFactPrefix, fact.name, fact.value);
  return text + "\n" + options;
}

std::vector<std::string> DifferencesOfBuild(const std::string& config_text) {
  std::map<std::string, std::string> recorded;
  std::istringstream lines(config_text);
  for (std::string line; std::getline(lines, line) && line.starts_with(kFactPrefix);) {
    const size_t colon = line.find(": ");
    if (colon != std::string::npos)
      recorded[line.substr(kFactPrefix.size(), colon - kFactPrefix.size())] = line.substr(colon + 2);
  }
  std::vector<std::string> differences;
  for (const Fact& fact : Facts()) {
    const auto found = recorded.find(fact.name);
    const std::string before = found == recorded.end() ? "not recorded" : found->second;
    if (before != fact.value) differences.push_back(fmt::format("{} was {}, is {}", fact.name, before, fact.value));
  }
  return differences;
}

std::vector<std::string> DifferentOptions(const std::string& a, const std::string& b) {
  const auto values_a = Values(a), values_b = Values(b);
  std::vector<std::string> names;
  for (const auto& [name, value] : values_a) {
    const auto found = values_b.find(name);
    if (found == values_b.end() || found->second != value) names.push_back(name);
  }
  for (const auto& [name, value] : values_b)
    if (!values_a.contains(name)) names.push_back(name);
  return names;
}

void CheckMayChangeOnResume(const std::vector<std::string>& changed, const std::vector<std::string>& may_change) {
  for (const std::string& name : changed) {
    if (name == "device" || name.starts_with("log.")) continue;
    if (std::find(may_change.begin(), may_change.end(), name) != may_change.end()) continue;
    throw UserError(
        fmt::format("key `{}` cannot change while a run goes on; allowed with --resume: {}, device and log.*; for "
                    "anything else start a new run with --init-from",
                    name, fmt::join(may_change, ", ")));
  }
}

}  // namespace lethe::tools
