#include "tools/eval.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "agents/evaluate.h"
#include "configs/run_folder.h"
#include "tools/device.h"
#include "tools/evaluation_text.h"
#include "tools/run_config.h"
#include "tools/signals.h"
#include "tools/weights.h"

namespace lethe::tools {
namespace {

constexpr const char* kDetails =
    R"(Plays episodes on levels the agent never trained on and reports its score, and what it remembers meanwhile,
with the newest good checkpoint of RUN. The options are those of the run; key=value changes them, for instance
to longer corridors than it was trained on.

`living` memories are those a step can still attend to; `stored` are those that take room.

Examples:
  lethe eval runs/corridor --episodes 1000
  lethe eval runs/corridor env.length_min=200 env.length_max=200
  lethe eval runs/corridor --json)";

const std::vector<Flag> kFlags = {
    {"episodes", "N", "episodes to play; default 1000"},
    {"json", "", "print one JSON object"},
    {"greedy", "", "take the likeliest action instead of drawing one"},
    {"threads", "N", "threads that play; default: one per core"},
    {"checkpoint", "FILE", "these weights instead of the newest checkpoint's"},
    {"device", "cpu|cuda", "where the policy runs; default: as in training"},
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

int RunEval(const CommandLine& line) {
  line.RequireAtMostWords(1);
  if (line.words().empty()) throw UserError("eval needs a run: eval RUN [key=value ...]");
  const auto evaluation = EvaluationOf(line);
  const std::string& run_dir = line.words()[0];
  const std::string config = AsUserError([&] { return configs::RunFolder::Open(run_dir).ConfigPath(); });
  auto document = configs::Document::FromFile(config);
  document.Override("curriculum.start=0");  // training's affair; it must not stand in the way of shorter levels
  const auto options = ReadOptions(std::move(document), line);
  RequireDevice(options->device);
  const auto weights = PolicyWeights(OpenWeights(line.Text("checkpoint", run_dir), Note), *options);
  const StopSignals signals;
  try {
    const auto result = agents::Evaluate(*options, weights, evaluation);
    fmt::print("{}", line.Has("json") ? agents::ToJson(result) + "\n" : EvaluationText(result));
  } catch (const agents::Interrupted&) {
    return 128 + StopSignals::Received();
  }
  return 0;
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
