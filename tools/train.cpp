#include "tools/train.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <thread>

#include "agents/evaluate.h"
#include "configs/atomic_file.h"
#include "tools/device.h"
#include "tools/evaluation_text.h"
#include "tools/matrix_rate.h"
#include "tools/plot.h"
#include "tools/run_config.h"
#include "tools/signals.h"
#include "tools/training_run.h"
#include "tools/weights.h"

namespace lethe::tools {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDetails =
    R"(Trains the agent that CONFIG.yaml describes, evaluates it, and draws the course of the training.
Everything goes to a folder of its own, runs/<name of CONFIG> unless --run-dir says otherwise:
config.yaml, metrics.jsonl, TensorBoard events, checkpoints/, live.safetensors, report/.

Single options are changed behind the file: `train.max_steps=1e6 seed=2`; `lethe help options` lists them.

Ctrl-C or SIGTERM stops after the present update with a checkpoint. --resume goes on from there, as if nothing
had happened: with the same build, processor and threads, and max_policy_lag 0 on the CPU, bit for bit. The run
then keeps the options of its config.yaml; only train.max_steps, train.max_minutes, train.target_score,
consolidate.max_steps, consolidate.budget, device and log.* may be changed.

Examples:
  lethe train configs/corridor.yaml
  lethe train configs/corridor.yaml seed=2 --run-dir runs/corridor_2
  lethe train --resume --run-dir runs/corridor train.max_steps=8e6)";

const std::vector<Flag> kFlags = {
    {"run-dir", "DIR", "folder of the run; default: runs/<name of CONFIG>"},
    {"resume", "", "go on with an interrupted run, or train a finished one longer"},
    {"init-from", "RUN|FILE", "start a new run with the weights of another"},
    {"device", "cpu|cuda", "where the policy runs; the same as device=..."},
    {"quiet", "", "no progress, only the result"},
};

void Say(const std::string& text) {
  std::fputs((text + "\n").c_str(), stdout);
  std::fflush(stdout);
}

void Warn(const std::string& text) { std::fputs(("lethe: warning: " + text + "\n").c_str(), stderr); }

bool IsTerminal() {
  const char* term = std::getenv("TERM");
  return ::isatty(STDOUT_FILENO) != 0 && term != nullptr && std::string(term) != "dumb";
}

std::string Duration(double seconds) {
  return seconds < 60 ? fmt::format("{:.1f} s", seconds) : FormatDuration(seconds);
}

std::string RunDirOf(const CommandLine& line) {
  if (line.Has("run-dir")) return line.Text("run-dir");
  if (line.words().empty()) throw UserError("train needs a config file, or --resume with --run-dir");
  return (fs::path("runs") / fs::path(line.words()[0]).stem()).string();
}

std::string ResumeCommand(const CommandLine& line, const std::string& run_dir) {
  return fmt::format("{} train --resume --run-dir {}", line.program(), run_dir);
}

/// The steps of one `lethe train`, in order.
class TrainSession {
 public:
  explicit TrainSession(const CommandLine& line)
      : line_(line), run_dir_(RunDirOf(line)), quiet_(line.Has("quiet")), progress_(stdout, IsTerminal()) {}

  int Run() {
    line_.Has("resume") ? OpenRun() : CreateRun();
    Introduce();
    const bool reached_end = Train();
    progress_.Done();
    if (StopSignals::Requested()) return SayStopped();
    SayTrained(reached_end);
    return Conclude();
  }

 private:
  Progress* ProgressOrNull() { return quiet_ ? nullptr : &progress_; }

  void CreateRun() {
    if (line_.words().empty()) throw UserError("train needs a config file: train CONFIG.yaml [key=value ...]");
    options_ = ReadOptions(configs::Document::FromFile(line_.words()[0]), line_);
    RequireDevice(options_->device);
    std::vector<float> weights;
    if (line_.Has("init-from")) weights = PolicyWeights(OpenWeights(line_.Text("init-from"), Warn), *options_);
    auto folder = AsUserError([&] { return configs::RunFolder::Create(run_dir_); });
    run_ = std::make_unique<TrainingRun>(std::move(folder), *options_, ProgressOrNull());
    run_->Begin(weights.empty() ? nullptr : &weights);
  }

  void OpenRun() {
    if (line_.Has("init-from"))
      throw UserError("--resume and --init-from exclude each other: a resumed run has its own weights");
    auto folder = AsUserError([&] { return configs::RunFolder::Open(run_dir_, configs::RunFolder::Access::kWrite); });
    const std::string recorded = configs::ReadWholeFile(folder.ConfigPath());
    const auto document = configs::Document::FromText(recorded, folder.ConfigPath());
    const auto before = AsUserError([&] { return agents::ReadRunOptions(document); });
    options_ = ReadOptions(document, line_);
    CheckMayChangeOnResume(DifferentOptions(*before, *options_));
    SayWhatConfigWouldChange(*before);
    RequireDevice(options_->device);
    SayWhyNotExact(recorded);
    run_ = std::make_unique<TrainingRun>(std::move(folder), *options_, ProgressOrNull());
    AsUserError([&] { run_->Resume(Warn); });
  }

  /// A config file beside --resume only names the run; if it was edited since, its reader should know.
  void SayWhatConfigWouldChange(agents::RunOptions& before) {
    if (line_.words().empty()) return;
    const auto given =
        AsUserError([&] { return agents::ReadRunOptions(configs::Document::FromFile(line_.words()[0])); });
    const auto names = DifferentOptions(before, *given);
    if (names.empty()) return;
    Warn(fmt::format("{} differs from the run's own config.yaml in {}; the run keeps its own", line_.words()[0],
                     fmt::join(names, ", ")));
  }

  void SayWhyNotExact(const std::string& recorded) const {
    std::vector<std::string> reasons = DifferencesOfBuild(recorded);
    if (options_->train.max_policy_lag > 0) reasons.emplace_back("train.max_policy_lag > 0");
    if (options_->device != "cpu") reasons.push_back("device is " + options_->device);
    if (!reasons.empty()) Say(fmt::format("Resuming, but not bit for bit: {}.", fmt::join(reasons, "; ")));
  }

  void Introduce() const {
    if (quiet_) return;
    const auto& t = options_->train;
    const bool is_a2c = t.max_policy_lag == 0;
    const std::string from = run_->state().env_steps > 0 ? fmt::format(", from step {}", run_->state().env_steps) : "";
    Say(fmt::format("{}  {}, seed {}, {} environments on {} actor threads, {}{}", run_dir_, options_->env.id,
                    options_->seed, t.num_envs, t.actors,
                    is_a2c ? "A2C" : fmt::format("IMPALA, lag {}", t.max_policy_lag), from));
  }

  /// What stops a training that had begun leaves the last checkpoint as it was: the message says how to go on.
  bool Train() {
    try {
      return run_->Train(StopSignals::Requested);
    } catch (const std::bad_alloc&) {
      throw;
    } catch (const std::exception& error) {
      progress_.Done();
      const bool has_checkpoint = !run_->folder().Checkpoints().empty();
      throw std::runtime_error(
          fmt::format("training stopped: {}; {}", FirstLine(error.what()),
                      has_checkpoint ? "go on from the last checkpoint with: " + ResumeCommand(line_, run_dir_)
                                     : "no checkpoint was written yet"));
    }
  }

  int SayStopped() const {
    Say(fmt::format("stopped by {} after {} steps; a checkpoint is written. Go on with:\n  {}",
                    StopSignals::Name(StopSignals::Received()), run_->state().env_steps,
                    ResumeCommand(line_, run_dir_)));
    return 128 + StopSignals::Received();
  }

  /// What makes this run longer.
  const char* LengthOption() const {
    return options_->consolidate.max_steps > 0 ? "consolidate.max_steps" : "train.max_steps";
  }

  int NumThreads() const {
    const int cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    return std::min(cores, static_cast<int>(std::max(options_->train.actors, options_->train.learner_threads)));
  }

  void SayTrained(bool reached_end) const {
    const TrainingSpeed& speed = run_->speed();
    const std::string what =
        reached_end ? "trained" : fmt::format("stopped after train.max_minutes = {}:", options_->train.max_minutes);
    if (speed.env_steps == 0)
      return Say(fmt::format("nothing left to train: {}=N makes a finished run longer\n", LengthOption()));
    std::string rate;
    if (speed.operations > 0) {
      const double limit = MeasureMatrixRate(NumThreads(), 0.05), achieved = speed.operations / speed.seconds;
      rate = fmt::format("; {:.1f} GFLOP/s, {:.2f} of what plain matrix products reach here", achieved / 1e9,
                         achieved / limit);
    }
    Say(fmt::format("{} {} steps in {} ({} steps/s{})\n", what, FormatCount(static_cast<double>(speed.env_steps)),
                    Duration(speed.seconds), FormatCount(static_cast<double>(speed.env_steps) / speed.seconds), rate));
  }

  /// Evaluation, plot, and what to type next.
  int Conclude() {
    if (options_->log.eval_episodes > 0 && !Evaluate()) return SayStoppedInEvaluation();
    const Plot plot = DrawPlot(run_dir_);
    Say(fmt::format("\nrun        {}\nplot       {}\nnext       {} eval {} --episodes 1000\n           {} {}=N",
                    run_dir_, plot.text, line_.program(), run_dir_, ResumeCommand(line_, run_dir_), LengthOption()));
    return 0;
  }

  bool Evaluate() {
    agents::EvaluationOptions evaluation;
    evaluation.episodes = options_->log.eval_episodes;
    evaluation.threads = NumThreads();
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

  int SayStoppedInEvaluation() const {
    Say(fmt::format("evaluation stopped by {}; the training is saved. Evaluate with:\n  {} eval {}",
                    StopSignals::Name(StopSignals::Received()), line_.program(), run_dir_));
    return 128 + StopSignals::Received();
  }

  const CommandLine& line_;
  const std::string run_dir_;
  const bool quiet_;
  const StopSignals signals_;
  Progress progress_;
  std::unique_ptr<agents::RunOptions> options_;
  std::unique_ptr<TrainingRun> run_;
};

int RunTrain(const CommandLine& line) {
  line.RequireAtMostWords(1);
  return TrainSession(line).Run();
}

}  // namespace

Command TrainCommand() {
  return {
      "train", "CONFIG.yaml [key=value ...] [flags]", "train an agent, evaluate it, plot the course", kDetails, kFlags,
      RunTrain};
}

}  // namespace lethe::tools
