#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "configs/atomic_file.h"
#include "configs/safetensors.h"

namespace lethe::configs {

/// One run on disk:
///
///   config.yaml              every option; its presence makes the folder a run
///   metrics.jsonl            MetricsWriter
///   events.out.tfevents.*    TensorBoardWriter
///   checkpoints/             step_<environment steps>.safetensors
///   live.safetensors         newest weights for viewers
///   report/                  plots and tables
///   lock                     held by the process that writes the run
///
/// One process may write a run, any number may read it meanwhile. A killed process leaves no lock behind.
/// Errors: std::runtime_error with the folder and what to do; std::system_error with path and reason.
/// Threads: const calls are safe together.
class RunFolder {
 public:
  enum class Access { kRead, kWrite };

  /// Makes the folder (and those above it) for a new run and locks it. Refuses a folder that holds a run.
  static RunFolder Create(const std::string& dir);

  /// An existing run. kWrite locks it and removes what a killed writer left half-written. The error for a folder that
  /// is not a run names the nearest run beside it.
  static RunFolder Open(const std::string& dir, Access access = Access::kRead);

  const std::string& dir() const { return dir_; }
  std::string ConfigPath() const { return In("config.yaml"); }
  std::string MetricsPath() const { return In("metrics.jsonl"); }
  std::string LivePath() const { return In("live.safetensors"); }
  std::string ReportDir() const { return In("report"); }
  std::string CheckpointPath(int64_t env_steps) const;

  /// Replaces config.yaml, atomically.
  void WriteConfig(std::string_view text) const { WriteFileAtomically(ConfigPath(), text); }

  /// Paths, newest first: by environment steps, not by date.
  std::vector<std::string> Checkpoints() const;

  /// The newest checkpoint that reads back whole, checksum included. `warn` hears of each damaged one that is skipped.
  /// A writer also renames those to *.damaged, so that they stay for inspection but no longer count as the newest.
  /// Errors: std::runtime_error when no checkpoint is good; a run never starts again from scratch unasked.
  /// std::system_error when one may be good but cannot be opened (no permission).
  SafetensorsFile NewestGoodCheckpoint(const std::function<void(const std::string&)>& warn) const;

  /// Removes all checkpoints but the newest `count`. Range: count >= 1.
  void KeepNewest(int count) const;

 private:
  explicit RunFolder(const std::string& dir);

  std::string In(std::string_view name) const;
  void Lock();
  void RemoveTemporaries() const;

  std::string dir_;
  FileDescriptor lock_;
};

}  // namespace lethe::configs
