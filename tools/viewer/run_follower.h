#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agents/episode.h"

namespace lethe::tools {

/// One line of a run's metrics.
struct ProgressPoint {
  double env_steps = 0;
  double score = 0;
  std::vector<double> living;  ///< per layer
};

/// Reads the newest weights of a run again and again while it trains, and never writes to it. Whatever happens to the
/// run, the last good weights stay, and `problem` says what happened: its folder or live.safetensors is gone, is
/// damaged or cannot be read, or the run was replaced by another one, whose options and weights are then taken.
/// Threads: belongs to one thread.
class RunFollower {
 public:
  /// run: a run folder, whose live.safetensors is followed (before there is one, its newest checkpoint), or a
  /// *.safetensors file of a run, with its config.yaml beside it or one folder above. overrides: key=value behind the
  /// run's own options. Errors: UserError, configs::OptionError.
  RunFollower(const std::string& run, std::vector<std::string> overrides);
  ~RunFollower();

  /// Looks whether something changed, at most twice a second; true: policy() is another one.
  bool Poll();

  const std::shared_ptr<const agents::FixedPolicy>& policy() const;
  const std::string& name() const;                     ///< of the run, as the user gave it
  double age_seconds() const;                          ///< since the weights were written
  bool is_training() const;                            ///< another process holds the run's lock
  const std::string& problem() const;                  ///< one line; "" if all is well
  const std::vector<ProgressPoint>& progress() const;  ///< of metrics.jsonl

 private:
  class Files;
  std::unique_ptr<Files> files_;
};

}  // namespace lethe::tools
