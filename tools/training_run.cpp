#include "tools/training_run.h"

#include "tools/run_config.h"

namespace lethe::tools {

TrainingRun::TrainingRun(configs::RunFolder folder, agents::RunOptions& options, Progress* progress)
    : folder_(std::move(folder)), options_(options), progress_(progress) {
  agents::TrainerHooks hooks;
  hooks.log = [this](const agents::TrainingStatus& status) { Log(status); };
  hooks.checkpoint = [this](const agents::TrainerState& state) { SaveCheckpoint(state); };
  hooks.live = [this](const std::vector<float>& weights, int64_t env_steps) {
    agents::SaveWeights(folder_.LivePath(), weights, trainer_->layout(), env_steps);
  };
  hooks.stop = [this] { return stop_(); };
  trainer_ = std::make_unique<agents::Trainer>(options, std::move(hooks));
}

void TrainingRun::Begin(const std::vector<float>* initial_weights) {
  if (initial_weights != nullptr) trainer_->InitFrom(*initial_weights);
  OpenLogs();
}

void TrainingRun::Resume(const std::function<void(const std::string&)>& warn) {
  const auto file = folder_.NewestGoodCheckpoint(warn);
  trainer_->Restore(
      agents::LoadCheckpoint(file, trainer_->layout(), trainer_->core(), static_cast<size_t>(options_.train.actors)));
  OpenLogs();
}

/// config.yaml comes first: it makes the folder a run.
void TrainingRun::OpenLogs() {
  folder_.WriteConfig(RunConfigText(agents::ToYaml(options_)));
  first_step_ = state().env_steps;
  seconds_before_ = last_log_seconds_ = state().seconds;
  log_ = std::make_unique<TrainingLog>(folder_.MetricsPath(), folder_.dir(), "env_steps", first_step_);
}

bool TrainingRun::Train(const std::function<bool()>& stop) {
  stop_ = stop;
  const bool reached_end = trainer_->Train();
  agents::SaveWeights(folder_.LivePath(), state().parameters, trainer_->layout(), state().env_steps);
  speed_.env_steps = state().env_steps - first_step_;
  speed_.seconds = state().seconds - seconds_before_;
  return reached_end;
}

void TrainingRun::Log(const agents::TrainingStatus& status) {
  speed_.operations += 1e9 * status.gflops * (status.seconds - last_log_seconds_);
  last_log_seconds_ = status.seconds;
  log_->Write(MetricsLine(status, options_.train.num_envs), status.update.span_sample);
  const double limit = options_.train.max_minutes > 0 ? seconds_before_ + 60 * options_.train.max_minutes : 0;
  if (progress_ != nullptr) progress_->Update(MakeProgressLine(status, limit));
}

void TrainingRun::SaveCheckpoint(const agents::TrainerState& state) const {
  agents::SaveCheckpoint(folder_.CheckpointPath(state.env_steps), state, trainer_->layout());
  folder_.KeepNewest(static_cast<int>(options_.log.keep_checkpoints));
}

}  // namespace lethe::tools
