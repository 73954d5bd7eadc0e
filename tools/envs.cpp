#include "tools/envs.h"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <map>

#include "configs/atomic_file.h"
#include "envs/golden.h"
#include "envs/golden_set.h"
#include "envs/page.h"
#include "envs/registry.h"
#include "tools/level_options.h"
#include "tools/user_error.h"

namespace lethe::tools {
namespace {

constexpr const char* kDetails =
    R"(lethe envs                  lists the environments with the scores that bound an agent: the oracle knows
                            the secret, a memoryless policy sees only the present observation
lethe envs ID               rules, actions, observation, options and scores of one
lethe envs record ID        plays golden episodes, one per line: the oracle, a failure, out of time, random actions, and
                            with the hint; with --episodes as many of the oracle
lethe envs replay FILE      plays golden episodes again and compares; exit code 1 if any differs
lethe envs docs FOLDER      writes the pages of all environments

Examples:
  lethe envs Corridor-v0
  lethe envs record Corridor-v0 --out corridor.jsonl seed=7 length_max=10
  lethe envs replay corridor.jsonl --text
  lethe play Corridor-Short-v0)";

const std::vector<Flag> kFlags = {
    {"episodes", "N", "record: so many episodes of the oracle"},
    {"out", "FILE", "record: where to, instead of the terminal"},
    {"text", "", "replay: shows every step as a picture"},
};

int List() {
  fmt::print("{:<26}{:>8}{:>13}{:>9}{:>10}\n", "environment", "oracle", "memoryless", "random", "horizon");
  for (const std::string& id : envs::Ids()) {
    const envs::Entry& entry = envs::Find(id);
    const envs::Scores& scores = entry.scores;
    fmt::print("{:<26}{:>8.3f}{:>13.3f}{:>9.3f}{:>10}\n", id, scores.oracle, scores.memoryless, scores.random,
               entry.horizon);
  }
  fmt::print("\n`lethe envs ID` shows one of them.\n");
  return 0;
}

int Describe(const std::string& id) {
  fmt::print("{}", AsUserError([&] { return envs::Page(id); }));
  return 0;
}

int WriteDocs(const std::string& folder) {
  return AsUserError([&] {
    std::filesystem::create_directories(folder);
    const auto files = envs::PageFiles();
    for (const envs::PageFile& file : files) configs::WriteFileAtomically(folder + "/" + file.name, file.text);
    fmt::print("{} pages in {}\n", files.size(), folder);
    return 0;
  });
}

std::vector<std::string> OracleEpisodes(const LevelOptions& level, int64_t count) {
  const auto batch = level.MakeBatch(envs::Purpose::kDemonstrate);
  std::vector<std::string> lines;
  for (int64_t episode = 0; episode < count; ++episode) {
    const auto name = fmt::format("{} seed {} episode {}", level.entry.id, level.seed, episode);
    lines.push_back(envs::RecordEpisode(name, *batch, envs::ActAsOracle));
  }
  return lines;
}

int Record(const std::string& id, const CommandLine& line) {
  const LevelOptions level(id, line.overrides());
  const int64_t episodes = line.Integer("episodes", 0, 1, 1'000'000);
  const auto lines = AsUserError([&] {
    return episodes > 0 ? OracleEpisodes(level, episodes)
                        : envs::RecordGoldenSet(level.entry, *level.params, static_cast<uint64_t>(level.seed));
  });
  const std::string text = fmt::format("{}\n", fmt::join(lines, "\n"));
  if (!line.Has("out")) return std::fputs(text.c_str(), stdout) < 0;
  const std::string out = line.Text("out");
  AsUserError([&] { configs::WriteFileAtomically(out, text); });
  fmt::print("{} episodes of {} in {}\n", lines.size(), id, out);
  return 0;
}

int Replay(const std::string& path, bool as_text) {
  if (as_text) AsUserError([&] { envs::PlayFile(path, [](const std::string& text) { fmt::print("{}", text); }); });
  const envs::ReplayReport report = AsUserError([&] { return envs::ReplayFile(path); });
  fmt::print("{}: {} of {} episodes match\n", path, report.matched, report.total);
  if (report.matched == report.total) return 0;
  fmt::print("first difference: {}\n", report.first_difference);
  return 1;
}

void RequireFlagsOf(const std::string& what, const CommandLine& line) {
  const std::map<std::string, const char*> owners = {{"episodes", "record"}, {"out", "record"}, {"text", "replay"}};
  for (const auto& [flag, owner] : owners)
    if (line.Has(flag) && what != owner) throw UserError(fmt::format("--{} belongs to `lethe envs {}`", flag, owner));
}

int RunEnvs(const CommandLine& line) {
  const auto& words = line.words();
  const std::string what = words.empty() ? "" : words[0];
  const std::map<std::string, const char*> arguments = {
      {"record", "an environment"}, {"replay", "a file"}, {"docs", "a folder"}};
  const auto argument = arguments.find(what);
  line.RequireAtMostWords(argument == arguments.end() ? 1 : 2);
  RequireFlagsOf(what, line);
  if (what != "record") line.RequireNoOverrides(what.empty() ? "envs" : "envs " + what);
  if (what.empty()) return List();
  if (argument == arguments.end()) return Describe(what);
  if (words.size() < 2) throw UserError(fmt::format("envs {} needs {}", what, argument->second));
  if (what == "record") return Record(words[1], line);
  return what == "replay" ? Replay(words[1], line.Has("text")) : WriteDocs(words[1]);
}

}  // namespace

Command EnvsCommand() {
  return {"envs",
          "[ID | record ID [key=value ...] | replay FILE.jsonl | docs FOLDER]",
          "environments and golden episodes",
          kDetails,
          kFlags,
          RunEnvs};
}

}  // namespace lethe::tools
