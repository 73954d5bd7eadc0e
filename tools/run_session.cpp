#include "tools/run_session.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include "configs/atomic_file.h"
#include "tools/plot.h"
#include "tools/run_config.h"
#include "tools/weights.h"

namespace lethe::tools {
namespace {

namespace fs = std::filesystem;

bool IsTerminal() {
  const char* term = std::getenv("TERM");
  return ::isatty(STDOUT_FILENO) != 0 && term != nullptr && std::string(term) != "dumb";
}

std::string RunDirOf(const CommandLine& line, const std::string& command) {
  if (line.Has("run-dir")) return line.Text("run-dir");
  if (line.words().empty()) throw UserError(command + " needs a config file, or --resume with --run-dir");
  return (fs::path("runs") / fs::path(line.words()[0]).stem()).string();
}

}  // namespace

std::vector<Flag> TrainingFlags() {
  return {
      {"run-dir", "DIR", "folder of the run; default: runs/<name of CONFIG>"},
      {"resume", "", "go on with an interrupted run, or train a finished one longer"},
      {"init-from", "RUN|FILE", "start a new run with the weights of another"},
      {"device", "cpu|cuda", "where the network runs; the same as device=..."},
      {"quiet", "", "no progress, only the result"},
  };
}

void Say(const std::string& text) {
  std::fputs((text + "\n").c_str(), stdout);
  std::fflush(stdout);
}

void Warn(const std::string& text) { std::fputs(("lethe: warning: " + text + "\n").c_str(), stderr); }

std::string Duration(double seconds) {
  return seconds < 60 ? fmt::format("{:.1f} s", seconds) : FormatDuration(seconds);
}

int NumThreads(int64_t wanted) {
  const auto cores = static_cast<int64_t>(std::max(1u, std::thread::hardware_concurrency()));
  return static_cast<int>(std::min(cores, wanted));
}

RunSession::RunSession(const CommandLine& line, std::string command, std::vector<std::string> may_change)
    : line_(line),
      command_(std::move(command)),
      may_change_(std::move(may_change)),
      run_dir_(RunDirOf(line, command_)),
      quiet_(line.Has("quiet")),
      progress_(stdout, IsTerminal()) {}

int RunSession::Run() {
  line_.Has("resume") ? OpenRun() : CreateRun();
  if (!quiet_) Say(fmt::format("{}  {}", run_dir_, Introduction()));
  const bool reached_end = TrainOrExplain();
  progress_.Done();
  if (StopSignals::Requested()) return SayStopped();
  const std::string summary = Summary(reached_end);
  Say(summary.empty() ? fmt::format("nothing left to train: {}=N makes a finished run longer\n", LengthOption())
                      : summary);
  return Conclude();
}

void RunSession::CreateRun() {
  if (line_.words().empty())
    throw UserError(fmt::format("{0} needs a config file: {0} CONFIG.yaml [key=value ...]", command_));
  Take(WithOverrides(configs::Document::FromFile(line_.words()[0]), line_));
  std::optional<configs::SafetensorsFile> initial;
  if (line_.Has("init-from")) initial.emplace(OpenWeights(line_.Text("init-from"), Warn));
  Begin(initial, [&] { return AsUserError([&] { return configs::RunFolder::Create(run_dir_); }); });
}

void RunSession::OpenRun() {
  if (line_.Has("init-from"))
    throw UserError("--resume and --init-from exclude each other: a resumed run has its own weights");
  auto folder = AsUserError([&] { return configs::RunFolder::Open(run_dir_, configs::RunFolder::Access::kWrite); });
  const std::string recorded = configs::ReadWholeFile(folder.ConfigPath());
  const auto document = configs::Document::FromText(recorded, folder.ConfigPath());
  const std::string before = Resolve(document);
  const std::string now = Take(WithOverrides(document, line_));
  CheckMayChangeOnResume(DifferentOptions(before, now), may_change_);
  SayWhatConfigWouldChange(before);
  SayWhyNotExact(recorded);
  AsUserError([&] { Resume(std::move(folder)); });
}

/// A config file beside --resume only names the run; if it was edited since, its reader should know.
void RunSession::SayWhatConfigWouldChange(const std::string& own) const {
  if (line_.words().empty()) return;
  const auto names = DifferentOptions(own, Resolve(configs::Document::FromFile(line_.words()[0])));
  if (names.empty()) return;
  Warn(fmt::format("{} differs from the run's own config.yaml in {}; the run keeps its own", line_.words()[0],
                   fmt::join(names, ", ")));
}

void RunSession::SayWhyNotExact(const std::string& recorded) const {
  std::vector<std::string> reasons = DifferencesOfBuild(recorded);
  for (const std::string& reason : ReasonsNotExact()) reasons.push_back(reason);
  if (device() != "cpu") reasons.push_back("device is " + device());
  if (!reasons.empty()) Say(fmt::format("Resuming, but not bit for bit: {}.", fmt::join(reasons, "; ")));
}

/// What stops a training that had begun leaves the last checkpoint as it was: the message says how to go on.
bool RunSession::TrainOrExplain() {
  try {
    return Train();
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    progress_.Done();
    const bool has_checkpoint = !folder().Checkpoints().empty();
    throw std::runtime_error(fmt::format(
        "training stopped: {}; {}", FirstLine(error.what()),
        has_checkpoint ? "go on from the last checkpoint with: " + ResumeCommand() : "no checkpoint was written yet"));
  }
}

std::string RunSession::ResumeCommand() const {
  return fmt::format("{} {} --resume --run-dir {}", line_.program(), command_, run_dir_);
}

int RunSession::SayStopped() const {
  Say(fmt::format("stopped by {} after {}; a checkpoint is written. Go on with:\n  {}",
                  StopSignals::Name(StopSignals::Received()), Progressed(), ResumeCommand()));
  return 128 + StopSignals::Received();
}

/// Evaluation, plot, and what to type next.
int RunSession::Conclude() {
  if (!Evaluate()) return SayStoppedInEvaluation();
  const Plot plot = DrawPlot(run_dir_);
  Say(fmt::format("\nrun        {}\nplot       {}\nnext       {} eval {}{}\n           {} {}=N", run_dir_, plot.text,
                  line_.program(), run_dir_, EvalFlags(), ResumeCommand(), LengthOption()));
  return 0;
}

int RunSession::SayStoppedInEvaluation() const {
  Say(fmt::format("evaluation stopped by {}; the training is saved. Evaluate with:\n  {} eval {}",
                  StopSignals::Name(StopSignals::Received()), line_.program(), run_dir_));
  return 128 + StopSignals::Received();
}

}  // namespace lethe::tools
