#include "tools/train.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <string>

#include "agents/evaluate.h"
#include "agents/sequence_options.h"
#include "configs/atomic_file.h"
#include "tools/device.h"
#include "tools/evaluation_text.h"
#include "tools/matrix_rate.h"
#include "tools/run_session.h"
#include "tools/training_run.h"
#include "tools/viewer/view.h"
#include "tools/viewer_beside.h"
#include "tools/weights.h"

namespace lethe::tools {
namespace {

constexpr const char* kDetails =
    R"(Trains the agent that CONFIG.yaml describes, evaluates it, and draws the course of the training.
Everything goes to a folder of its own, runs/<name of CONFIG> unless --run-dir says otherwise:
config.yaml, metrics.jsonl, TensorBoard events, checkpoints/, live.safetensors, report/.

Single options are changed behind the file: `train.max_steps=1e6 seed=2`; `lethe help options` lists them.

Ctrl-C or SIGTERM stops after the present update with a checkpoint. --resume goes on from there, as if nothing
had happened: with the same build, processor and threads, and max_policy_lag 0 on the CPU, bit for bit. The run
then keeps the options of its config.yaml; only train.max_steps, train.max_minutes, train.target_score,
train.queue_gigabytes, clone.max_steps, consolidate.max_steps, consolidate.budget, device and log.* may be changed.
A finished run is made longer by the max_steps of its last phase.

Examples:
  lethe train configs/corridor.yaml
  lethe train configs/corridor.yaml seed=2 --run-dir runs/corridor_2
  lethe train configs/corridor.yaml --view
  lethe train --resume --run-dir runs/corridor train.max_steps=8e6)";

const std::vector<std::string> kMayChange = {"train.max_steps",       "train.max_minutes", "train.target_score",
                                             "train.queue_gigabytes", "clone.max_steps",   "consolidate.max_steps",
                                             "consolidate.budget"};

/// Training of an agent.
class TrainSession : public RunSession {
 public:
  explicit TrainSession(const CommandLine& line) : RunSession(line, "train", kMayChange), has_view_(line.Has("view")) {
    if (has_view_) RequireWindow();
  }

 protected:
  std::string Resolve(const configs::Document& document) const override {
    return AsUserError([&] { return agents::ToYaml(*agents::ReadRunOptions(document)); });
  }

  std::string Take(const configs::Document& document) override {
    if (agents::IsSequenceConfig(document))
      throw UserError("this config describes a sequence task: `lethe train-sequence` runs it");
    options_ = AsUserError([&] { return agents::ReadRunOptions(document); });
    RequireDevice(options_->device);
    return agents::ToYaml(*options_);
  }

  std::string device() const override { return options_->device; }

  std::vector<std::string> ReasonsNotExact() const override {
    if (options_->train.max_policy_lag == 0) return {};
    return {"train.max_policy_lag > 0"};
  }

  void Begin(const std::optional<configs::SafetensorsFile>& initial,
             const std::function<configs::RunFolder()>& make_folder) override {
    std::vector<float> weights;
    if (initial) weights = InitialWeights(*initial, *options_, Warn);
    run_ = std::make_unique<TrainingRun>(make_folder(), *options_, ProgressOrNull());
    run_->Begin(weights.empty() ? nullptr : &weights);
  }

  void Resume(configs::RunFolder folder) override {
    run_ = std::make_unique<TrainingRun>(std::move(folder), *options_, ProgressOrNull());
    run_->Resume(Warn);
  }

  const configs::RunFolder& folder() const override { return run_->folder(); }

  std::string Introduction() const override {
    const auto& t = options_->train;
    const bool is_a2c = t.max_policy_lag == 0;
    const std::string from = run_->state().env_steps > 0 ? fmt::format(", from step {}", run_->state().env_steps) : "";
    return fmt::format("{}, seed {}, {} environments on {} actor threads, {}{}", options_->env.id, options_->seed,
                       t.num_envs, t.actors, is_a2c ? "A2C" : fmt::format("IMPALA, lag {}", t.max_policy_lag), from);
  }

  bool Train() override {
    if (has_view_) StartViewerBeside(run_dir());
    return run_->Train(StopSignals::Requested);
  }
  std::string Progressed() const override { return fmt::format("{} steps", run_->state().env_steps); }

  std::string Summary(bool reached_end) const override {
    const RunSpeed speed = run_->speed();
    const std::string what =
        reached_end ? "trained" : fmt::format("stopped after train.max_minutes = {}:", options_->train.max_minutes);
    if (speed.steps == 0) return "";
    return fmt::format("{} {} steps in {} ({} steps/s{})\n", what, FormatCount(static_cast<double>(speed.steps)),
                       Duration(speed.seconds), FormatCount(static_cast<double>(speed.steps) / speed.seconds),
                       ArithmeticText(speed.operations, speed.seconds, Threads()));
  }

  bool Evaluate() override {
    if (options_->log.eval_episodes == 0) return true;
    agents::EvaluationOptions evaluation;
    evaluation.episodes = options_->log.eval_episodes;
    evaluation.threads = Threads();
    evaluation.stop = StopSignals::Requested;
    try {
      const auto result = agents::Evaluate(*options_, run_->state().parameters, evaluation);
      configs::WriteFileAtomically(run_->folder().ReportDir() + "/evaluation.json", agents::ToJson(result) + "\n");
      std::fputs(EvaluationText(result).c_str(), stdout);
      return true;
    } catch (const agents::Interrupted&) {
      return false;
    }
  }

  std::string LengthOption() const override {
    std::string last = "train";
    for (const agents::Phase phase : agents::ParsePhases(options_->phases))
      if (options_->MaxSteps(phase) > 0) last = phase == agents::Phase::kLearn ? "train" : agents::PhaseName(phase);
    return last + ".max_steps";
  }
  std::string EvalFlags() const override { return " --episodes 1000"; }

 private:
  int Threads() const { return NumThreads(std::max(options_->train.actors, options_->train.learner_threads)); }

  const bool has_view_;
  std::unique_ptr<agents::RunOptions> options_;
  std::unique_ptr<TrainingRun> run_;
};

std::vector<Flag> Flags() {
  auto flags = TrainingFlags();
  flags.push_back({"view", "", "watch meanwhile: opens `lethe view` of the run beside"});
  return flags;
}

int RunTrain(const CommandLine& line) {
  line.RequireAtMostWords(1);
  return TrainSession(line).Run();
}

}  // namespace

Command TrainCommand() {
  return {
      "train", "CONFIG.yaml [key=value ...] [flags]", "train an agent, evaluate it, plot the course", kDetails, Flags(),
      RunTrain};
}

}  // namespace lethe::tools
