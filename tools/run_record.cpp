#include "tools/run_record.h"

#include <utility>

#include "tools/run_config.h"

namespace lethe::tools {
namespace {

/// config.yaml comes first: it makes the folder a run.
const configs::RunFolder& WithConfig(const configs::RunFolder& folder, const std::string& options) {
  folder.WriteConfig(RunConfigText(options));
  return folder;
}

}  // namespace

RunRecord::RunRecord(const configs::RunFolder& folder, const std::string& options, std::string step_key,
                     int64_t first_step, Start start, double max_minutes, Progress* progress)
    : start_(start),
      max_minutes_(max_minutes),
      progress_(progress),
      log_(WithConfig(folder, options).MetricsPath(), folder.dir(), std::move(step_key), first_step),
      last_seconds_(start.seconds) {}

void RunRecord::Write(const nlohmann::ordered_json& metrics, const std::vector<float>& spans, double gflops,
                      double seconds, const ProgressLine& screen) {
  operations_ += 1e9 * gflops * (seconds - last_seconds_);
  last_seconds_ = seconds;
  log_.Write(metrics, spans);
  if (progress_ != nullptr) progress_->Update(screen);
}

RunSpeed RunRecord::SpeedAt(int64_t steps, double seconds) const {
  return {steps - start_.steps, seconds - start_.seconds, operations_};
}

}  // namespace lethe::tools
