#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "configs/document.h"
#include "configs/run_folder.h"
#include "configs/safetensors.h"
#include "tools/command_line.h"
#include "tools/progress.h"
#include "tools/signals.h"

namespace lethe::tools {

/// Flags of every command that trains: --run-dir, --resume, --init-from, --device, --quiet.
std::vector<Flag> TrainingFlags();

/// A line on stdout; a warning on stderr.
void Say(const std::string& text);
void Warn(const std::string& text);

/// Seconds for a person: "3.2 s", "2:05".
std::string Duration(double seconds);

/// Threads that are worth starting here, at most `wanted`.
int NumThreads(int64_t wanted);

/// The steps of one training command, in order: make or open the run, train, say how it went, evaluate, plot. What is
/// trained, and with which options, is the derived class's affair.
class RunSession {
 public:
  /// command: its name, for messages and for what to type next. may_change: options that may change with --resume;
  /// log.* and device always may.
  RunSession(const CommandLine& line, std::string command, std::vector<std::string> may_change);
  virtual ~RunSession() = default;

  /// Returns the exit code. Errors: as Command::run.
  int Run();

 protected:
  /// The options of a document as YAML, every option resolved. Errors: UserError, configs::OptionError.
  virtual std::string Resolve(const configs::Document& document) const = 0;
  /// The same, and these are the options of this session. Checks that the device is there.
  virtual std::string Take(const configs::Document& document) = 0;
  virtual std::string device() const = 0;
  /// Reasons besides build and device why going on is not bit for bit.
  virtual std::vector<std::string> ReasonsNotExact() const { return {}; }

  /// A new run, with the weights of `initial` if given: they are checked before `make_folder` makes the folder.
  virtual void Begin(const std::optional<configs::SafetensorsFile>& initial,
                     const std::function<configs::RunFolder()>& make_folder) = 0;
  /// Goes on from the newest good checkpoint.
  virtual void Resume(configs::RunFolder folder) = 0;
  virtual const configs::RunFolder& folder() const = 0;

  /// What is trained and how, behind the run's name.
  virtual std::string Introduction() const = 0;
  /// True: to the end.
  virtual bool Train() = 0;
  /// "8,000 steps".
  virtual std::string Progressed() const = 0;
  /// What was achieved in this session, to be printed; "" if there was nothing left to do.
  virtual std::string Summary(bool reached_end) const = 0;
  /// Evaluates and prints; false: interrupted.
  virtual bool Evaluate() = 0;
  /// The option that makes a finished run longer.
  virtual std::string LengthOption() const = 0;
  /// Flags behind `lethe eval RUN` that are worth suggesting.
  virtual std::string EvalFlags() const { return ""; }

  Progress* ProgressOrNull() { return quiet_ ? nullptr : &progress_; }
  const std::string& run_dir() const { return run_dir_; }

 private:
  void CreateRun();
  void OpenRun();
  void SayWhatConfigWouldChange(const std::string& own) const;
  void SayWhyNotExact(const std::string& recorded) const;
  bool TrainOrExplain();
  std::string ResumeCommand() const;
  int SayStopped() const;
  int Conclude();
  int SayStoppedInEvaluation() const;

  const CommandLine& line_;
  const std::string command_;
  const std::vector<std::string> may_change_;
  const std::string run_dir_;
  const bool quiet_;
  const StopSignals signals_;
  Progress progress_;
};

}  // namespace lethe::tools
