#include "tools/training_run.h"

namespace lethe::tools {

TrainingRun::TrainingRun(configs::RunFolder folder, agents::RunOptions& options, Progress* progress)
    : folder_(std::move(folder)), options_(options), progress_(progress) {
  agents::TrainerHooks hooks;
  hooks.log = [this](const agents::TrainingStatus& status) { Log(status); };
  hooks.checkpoint = [this](const agents::TrainerState& state) { SaveCheckpoint(state); };
  hooks.live = [this](const std::vector<float>& weights, int64_t env_steps) { SaveLive(weights, env_steps); };
  hooks.stop = [this] { return stop_(); };
  trainer_ = std::make_unique<agents::Trainer>(options, std::move(hooks));
}

void TrainingRun::Begin(const std::vector<float>* initial_weights) {
  if (initial_weights != nullptr) trainer_->InitFrom(*initial_weights);
  SaveLive(state().parameters, state().env_steps);  // whoever looks on need not wait
  OpenRecord();
}

void TrainingRun::Resume(const std::function<void(const std::string&)>& warn) {
  const auto file = folder_.NewestGoodCheckpoint(warn);
  trainer_->Restore(
      agents::LoadCheckpoint(file, trainer_->layout(), trainer_->core(), static_cast<size_t>(options_.train.actors)));
  OpenRecord();
}

void TrainingRun::OpenRecord() {
  record_ = std::make_unique<RunRecord>(folder_, agents::ToYaml(options_), "env_steps", state().env_steps,
                                        RunRecord::Start{state().env_steps, state().seconds},
                                        options_.train.max_minutes, progress_);
}

bool TrainingRun::Train(const std::function<bool()>& stop) {
  stop_ = stop;
  const bool reached_end = trainer_->Train();
  SaveLive(state().parameters, state().env_steps);
  return reached_end;
}

void TrainingRun::Log(const agents::TrainingStatus& status) {
  record_->Write(MetricsLine(status, options_.train.num_envs), status.update.span_sample, status.gflops, status.seconds,
                 MakeProgressLine(status, record_->time_limit()));
}

void TrainingRun::SaveLive(const std::vector<float>& weights, int64_t env_steps) const {
  agents::SaveWeights(folder_.LivePath(), weights, trainer_->layout(), env_steps);
}

void TrainingRun::SaveCheckpoint(const agents::TrainerState& state) const {
  agents::SaveCheckpoint(folder_.CheckpointPath(state.env_steps), state, trainer_->layout());
  folder_.KeepNewest(static_cast<int>(options_.log.keep_checkpoints));
}

}  // namespace lethe::tools
