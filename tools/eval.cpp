#include "tools/eval.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "agents/evaluate.h"
#include "agents/sequence_evaluation.h"
#include "configs/run_folder.h"
#include "tools/device.h"
#include "tools/evaluation_text.h"
#include "tools/run_config.h"
#include "tools/sequence_log.h"
#include "tools/signals.h"
#include "tools/weights.h"

namespace lethe::tools {
namespace {

constexpr const char* kDetails =
    R"(Plays episodes on levels the agent never trained on and reports its score, every metric of the environment as a
mean over the episodes, and what it remembers meanwhile, with the newest good checkpoint of RUN. The options are
those of the run; key=value changes them, for instance to longer corridors than it was trained on.

A run on a sequence task reads its whole test split instead, or with --split valid the other one.

`living` memories are those a step can still attend to; `stored` are those that take room.

Examples:
  lethe eval runs/corridor --episodes 1000
  lethe eval runs/corridor env.length_min=200 env.length_max=200
  lethe eval runs/corridor --json
  lethe eval runs/charlm_small --split valid)";

const std::vector<Flag> kFlags = {
    {"episodes", "N", "episodes to play; default 1000"},
    {"json", "", "print one JSON object"},
    {"greedy", "", "take the likeliest action instead of drawing one"},
    {"threads", "N", "threads that play; default: one per core"},
    {"checkpoint", "FILE", "these weights instead of the newest checkpoint's"},
    {"device", "cpu|cuda", "where the policy runs; default: as in training"},
    {"split", "valid|test", "of a sequence task; default: test"},
};

void Note(const std::string& text) { std::fputs(("lethe: warning: " + text + "\n").c_str(), stderr); }

agents::EvaluationOptions EvaluationOf(const CommandLine& line) {
  agents::EvaluationOptions options;
  options.episodes = line.Integer("episodes", 1000, 1, 1'000'000'000);
  const auto cores = static_cast<int64_t>(std::max(1u, std::thread::hardware_concurrency()));
  options.threads = static_cast<int>(line.Integer("threads", cores, 1, 1024));
  options.choice = line.Has("greedy") ? agents::Choice::kGreedy : agents::Choice::kSample;
  options.stop = StopSignals::Requested;
  return options;
}

int EvaluateAgent(configs::Document document, const agents::EvaluationOptions& evaluation, const CommandLine& line) {
  if (line.Has("split")) throw UserError("--split is for runs on a sequence task; an agent has no splits");
  for (const char* of_training : {"curriculum.start=0", "consolidate.curriculum.start=0"})
    document.Override(of_training);  // must not stand in the way of shorter levels
  const auto options = ReadOptions(std::move(document), line);
  RequireDevice(options->device);
  const auto weights = PolicyWeights(OpenWeights(line.Text("checkpoint", line.words()[0]), Note), *options);
  const auto result = agents::Evaluate(*options, weights, evaluation);
  fmt::print("{}", line.Has("json") ? agents::ToJson(result) + "\n" : EvaluationText(result));
  return 0;
}

envs::sequence::Split SplitOf(const CommandLine& line) {
  const std::string split = line.Text("split", "test");
  if (split == "test") return envs::sequence::Split::kTest;
  if (split == "valid") return envs::sequence::Split::kValid;
  throw UserError(fmt::format("--split is {}; allowed: valid or test", split));
}

int EvaluateSequenceRun(configs::Document document, const CommandLine& line) {
  for (const char* flag : {"episodes", "greedy"})
    if (line.Has(flag)) throw UserError(fmt::format("--{} is for agents; this run has a sequence task", flag));
  const auto split = SplitOf(line);
  document.Override("curriculum.start=0");  // as above
  if (line.Has("threads")) document.Override(fmt::format("train.threads={}", line.Integer("threads", 1, 1, 256)));
  document = WithOverrides(std::move(document), line);
  const auto options = AsUserError([&] { return agents::ReadSequenceOptions(document); });
  RequireDevice(options->device);
  const auto file = OpenWeights(line.Text("checkpoint", line.words()[0]), Note);
  const auto weights = AsUserError([&] { return agents::SequenceWeights(file, *options); });
  const auto result = agents::EvaluateSequence(*options, weights, split, StopSignals::Requested);
  fmt::print("{}", line.Has("json") ? agents::ToJson(result) + "\n" : EvaluationText(result));
  return 0;
}

int RunEval(const CommandLine& line) {
  line.RequireAtMostWords(1);
  if (line.words().empty()) throw UserError("eval needs a run: eval RUN [key=value ...]");
  const auto evaluation = EvaluationOf(line);
  const std::string config = AsUserError([&] { return configs::RunFolder::Open(line.words()[0]).ConfigPath(); });
  auto document = configs::Document::FromFile(config);
  const StopSignals signals;
  try {
    return agents::IsSequenceConfig(document) ? EvaluateSequenceRun(std::move(document), line)
                                              : EvaluateAgent(std::move(document), evaluation, line);
  } catch (const agents::Interrupted&) {
    return 128 + StopSignals::Received();
  }
}

}  // namespace

Command EvalCommand() {
  return {"eval",
          "RUN [key=value ...] [flags]",
          "score of a trained agent on new levels, and what it remembers",
          kDetails,
          kFlags,
          RunEval};
}

}  // namespace lethe::tools
