#include "tools/envs.h"

#include <fmt/format.h>

#include "configs/options.h"
#include "envs/golden.h"
#include "envs/registry.h"
#include "tools/user_error.h"

namespace lethe::tools {
namespace {

constexpr const char* kDetails =
    R"(lethe envs                  lists the environments with the scores that bound an agent: the oracle knows
                            the secret, a memoryless policy sees only the present observation
lethe envs ID               actions, observation, options and scores of one
lethe envs record ID        plays episodes with the oracle and prints them as golden episodes, one per line
lethe envs replay FILE      plays golden episodes again and compares; exit code 1 if any differs

Examples:
  lethe envs Corridor-v0
  lethe envs record Corridor-v0 --episodes 3 seed=7 length_max=10 > episodes.jsonl
  lethe envs replay episodes.jsonl)";

const std::vector<Flag> kFlags = {
    {"episodes", "N", "record: number of episodes; default 1"},
};

int List() {
  fmt::print("{:<24}{:>8}{:>13}{:>9}\n", "environment", "oracle", "memoryless", "random");
  for (const std::string& id : envs::Ids()) {
    const envs::Scores scores = envs::Find(id).scores;
    fmt::print("{:<24}{:>8.3f}{:>13.3f}{:>9.3f}\n", id, scores.oracle, scores.memoryless, scores.random);
  }
  fmt::print("\n`lethe envs ID` shows one of them.\n");
  return 0;
}

void PrintSpec(const envs::Spec& spec) {
  fmt::print("actions      {}\n", fmt::join(spec.action_names, ", "));
  fmt::print("metrics      {}; agents are compared by {}\n", fmt::join(spec.metric_names, ", "), spec.score_metric);
  if (!spec.curriculum_parameter.empty())
    fmt::print("curriculum   {}, {:.0f}..{:.0f}\n", spec.curriculum_parameter, spec.curriculum_min,
               spec.curriculum_max);
  fmt::print("observation  {} tokens:\n", spec.tokens.size());
  for (size_t i = 0; i < spec.tokens.size(); ++i)
    fmt::print("  {:>3}  {:<40} 0..{}\n", i, spec.tokens[i].meaning, spec.tokens[i].vocabulary - 1);
}

int Describe(const std::string& id) {
  const envs::Entry& entry = AsUserError([&]() -> const envs::Entry& { return envs::Find(id); });
  const auto params = entry.make_params();
  const envs::Scores& scores = entry.scores;
  fmt::print("{}\n\n", entry.id);
  fmt::print("scores       oracle {:.3f}, best without memory {:.3f}, random {:.3f}\n", scores.oracle,
             scores.memoryless, scores.random);
  PrintSpec(entry.make_batch(*params, {})->spec());
  configs::Options options;
  options.Section("env", *params, "its options, in a config file or on the command line");
  fmt::print("\n{}", options.Help());
  return 0;
}

/// Options of the environment stand alone here; `seed` is that of the levels.
struct Recording {
  int64_t seed = 1;
  std::unique_ptr<envs::Params> params;

  template <class V>
  void Visit(V& v) {
    v("seed", seed, configs::Range{0, 9e15}, "of the levels");
    params->Visit(v);
  }
};

int Record(const std::string& id, const CommandLine& line) {
  const envs::Entry& entry = AsUserError([&]() -> const envs::Entry& { return envs::Find(id); });
  Recording recording{1, entry.make_params()};
  configs::Document document;
  for (const std::string& assignment : line.overrides()) document.Override(assignment);
  configs::Options options;
  recording.Visit(options);
  options.Read(document);
  const auto batch = AsUserError([&] {
    return entry.make_batch(*recording.params,
                            {1, static_cast<uint64_t>(recording.seed), envs::Purpose::kDemonstrate, 0});
  });
  const int64_t episodes = line.Integer("episodes", 1, 1, 1'000'000);
  for (int64_t episode = 0; episode < episodes; ++episode) {
    const auto oracle = [](const envs::EnvBatch& playing, std::span<const uint8_t>) {
      uint8_t action = 0;
      playing.Oracle(&action);
      return action;
    };
    fmt::print("{}\n",
               envs::RecordEpisode(fmt::format("{} seed {} episode {}", id, recording.seed, episode), *batch, oracle));
  }
  return 0;
}

int Replay(const std::string& path) {
  const envs::ReplayReport report = AsUserError([&] { return envs::ReplayFile(path); });
  fmt::print("{}: {} of {} episodes match\n", path, report.matched, report.total);
  if (report.matched == report.total) return 0;
  fmt::print("first difference: {}\n", report.first_difference);
  return 1;
}

int RunEnvs(const CommandLine& line) {
  const auto& words = line.words();
  const std::string what = words.empty() ? "" : words[0];
  const bool has_argument = what == "replay" || what == "record";
  line.RequireAtMostWords(has_argument ? 2 : 1);
  if (what != "record") line.RequireNoOverrides(what.empty() ? "envs" : "envs " + what);
  if (what.empty()) return List();
  if (!has_argument) return Describe(what);
  if (words.size() < 2)
    throw UserError(fmt::format("envs {} needs {}", what, what == "replay" ? "a file" : "an environment"));
  return what == "replay" ? Replay(words[1]) : Record(words[1], line);
}

}  // namespace

Command EnvsCommand() {
  return {"envs",
          "[ID | record ID [key=value ...] | replay FILE.jsonl]",
          "environments and golden episodes",
          kDetails,
          kFlags,
          RunEnvs};
}

}  // namespace lethe::tools
