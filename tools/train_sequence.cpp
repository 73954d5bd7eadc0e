#include "tools/train_sequence.h"

#include <fmt/format.h>

#include <cstdio>
#include <string>

#include "agents/evaluate.h"
#include "configs/atomic_file.h"
#include "tools/device.h"
#include "tools/matrix_rate.h"
#include "tools/run_session.h"
#include "tools/sequence_log.h"
#include "tools/sequence_run.h"
#include "tools/weights.h"

namespace lethe::tools {
namespace {

constexpr const char* kDetails =
    R"(Trains a model with a memory on a sequence task, without any reinforcement learning: CharLM-v0 predicts the
next byte of a file, Copy-v0 counts and waits, ObjectCollision-v0 remembers where things met. The same memory cores
as those of agents: memory.core names one.

Everything goes to a folder of its own, runs/<name of CONFIG> unless --run-dir says otherwise:
config.yaml, metrics.jsonl, TensorBoard events, checkpoints/, live.safetensors, report/.

Single options are changed behind the file: `train.max_updates=1e5 task.path=text.txt`; `lethe help options CharLM-v0`
lists them.

Ctrl-C or SIGTERM stops after the present update with a checkpoint. --resume goes on from there, as if nothing
had happened: with the same build and processor on the CPU, bit for bit. The run then keeps the options of its
config.yaml; only train.max_updates, train.max_minutes, consolidate.max_updates, evaluate.*, device and log.* may be
changed.

Examples:
  lethe train-sequence configs/sequence/charlm_small.yaml task.path=text.txt
  lethe train-sequence configs/sequence/copy_small.yaml
  lethe train-sequence --resume --run-dir runs/copy_small train.max_updates=2e4)";

const std::vector<std::string> kMayChange = {"train.max_updates",       "train.max_minutes",
                                             "consolidate.max_updates", "evaluate.interval_updates",
                                             "evaluate.batch",          "evaluate.valid_blocks"};

/// Training on a sequence task.
class SequenceSession : public RunSession {
 public:
  explicit SequenceSession(const CommandLine& line) : RunSession(line, "train-sequence", kMayChange) {}

 protected:
  std::string Resolve(const configs::Document& document) const override {
    return AsUserError([&] { return agents::ToYaml(*agents::ReadSequenceOptions(document)); });
  }

  std::string Take(const configs::Document& document) override {
    if (document.Find("env.id"))
      throw UserError("this config describes an agent in an environment: `lethe train` runs it");
    options_ = AsUserError([&] { return agents::ReadSequenceOptions(document); });
    RequireDevice(options_->device);
    return agents::ToYaml(*options_);
  }

  std::string device() const override { return options_->device; }

  void Begin(const std::optional<configs::SafetensorsFile>& initial,
             const std::function<configs::RunFolder()>& make_folder) override {
    if (!initial && options_->train.max_updates == 0)
      throw UserError(
          "train.max_updates is 0: nothing was learnt that could be consolidated; --init-from RUN names a "
          "trained model, or train.max_updates=N trains one first");
    run_ = AsUserError([&] { return std::make_unique<SequenceRun>(*options_, ProgressOrNull()); });
    std::vector<float> weights;
    if (initial) weights = AsUserError([&] { return agents::LoadSequenceWeights(*initial, run_->layout()); });
    run_->Begin(make_folder(), weights.empty() ? nullptr : &weights);
  }

  void Resume(configs::RunFolder folder) override {
    run_ = std::make_unique<SequenceRun>(*options_, ProgressOrNull());
    run_->Resume(std::move(folder), Warn);
  }

  const configs::RunFolder& folder() const override { return run_->folder(); }

  std::string Introduction() const override {
    const auto& t = options_->train;
    const std::string from = run_->state().updates > 0 ? fmt::format(", from update {}", run_->state().updates) : "";
    return fmt::format("{}, seed {}, {}, {} rows of {} tokens on {} threads{}", options_->task.id, options_->seed,
                       options_->memory.name, t.batch, t.block, t.threads, from);
  }

  bool Train() override { return run_->Train(StopSignals::Requested); }
  std::string Progressed() const override { return fmt::format("{} updates", run_->state().updates); }

  std::string Summary(bool reached_end) const override {
    const RunSpeed speed = run_->speed();
    if (speed.steps == 0) return "";
    const std::string what =
        reached_end ? "trained on" : fmt::format("stopped after train.max_minutes = {}:", options_->train.max_minutes);
    return fmt::format("{} {} tokens in {} ({} tokens/s{})\n", what, FormatCount(static_cast<double>(speed.steps)),
                       Duration(speed.seconds), FormatCount(static_cast<double>(speed.steps) / speed.seconds),
                       ArithmeticText(speed.operations, speed.seconds, NumThreads(options_->train.threads)));
  }

  bool Evaluate() override {
    try {
      const auto result = agents::EvaluateSequence(*options_, run_->state().parameters, envs::sequence::Split::kTest,
                                                   StopSignals::Requested);
      configs::WriteFileAtomically(run_->folder().ReportDir() + "/evaluation.json", agents::ToJson(result) + "\n");
      std::fputs(EvaluationText(result).c_str(), stdout);
      return true;
    } catch (const agents::Interrupted&) {
      return false;
    }
  }

  std::string LengthOption() const override {
    return options_->consolidate.max_updates > 0 ? "consolidate.max_updates" : "train.max_updates";
  }

 private:
  std::unique_ptr<agents::SequenceOptions> options_;
  std::unique_ptr<SequenceRun> run_;
};

int RunTrainSequence(const CommandLine& line) {
  line.RequireAtMostWords(1);
  return SequenceSession(line).Run();
}

}  // namespace

Command TrainSequenceCommand() {
  return {"train-sequence",
          "CONFIG.yaml [key=value ...] [flags]",
          "train a memory on text or another stream of tokens, no agent",
          kDetails,
          TrainingFlags(),
          RunTrainSequence};
}

}  // namespace lethe::tools
