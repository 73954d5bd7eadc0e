#include "tools/sequence_run.h"

#include "tools/run_config.h"
#include "tools/sequence_log.h"

namespace lethe::tools {

SequenceRun::SequenceRun(agents::SequenceOptions& options, Progress* progress)
    : options_(options), progress_(progress) {
  agents::SequenceHooks hooks;
  hooks.log = [this](const agents::SequenceStatus& status) { Log(status); };
  hooks.checkpoint = [this](const agents::SequenceState& state) { SaveCheckpoint(state); };
  hooks.live = [this](const std::vector<float>& weights, int64_t updates) {
    agents::SaveSequenceWeights(folder_->LivePath(), weights, trainer_->layout(), updates);
  };
  hooks.stop = [this] { return stop_(); };
  trainer_ = std::make_unique<agents::SequenceTrainer>(options, std::move(hooks));
}

void SequenceRun::Begin(configs::RunFolder folder, const std::vector<float>* initial_weights) {
  folder_ = std::make_unique<const configs::RunFolder>(std::move(folder));
  if (initial_weights != nullptr) trainer_->InitFrom(*initial_weights);
  OpenLogs();
}

void SequenceRun::Resume(configs::RunFolder folder, const std::function<void(const std::string&)>& warn) {
  folder_ = std::make_unique<const configs::RunFolder>(std::move(folder));
  trainer_->Restore(agents::LoadSequence(folder_->NewestGoodCheckpoint(warn), trainer_->layout(), trainer_->core()));
  OpenLogs();
}

/// config.yaml comes first: it makes the folder a run.
void SequenceRun::OpenLogs() {
  folder_->WriteConfig(RunConfigText(agents::ToYaml(options_)));
  first_tokens_ = state().tokens;
  seconds_before_ = last_log_seconds_ = state().seconds;
  log_ = std::make_unique<TrainingLog>(folder_->MetricsPath(), folder_->dir(), "updates", state().updates);
}

bool SequenceRun::Train(const std::function<bool()>& stop) {
  stop_ = stop;
  const bool reached_end = trainer_->Train();
  agents::SaveSequenceWeights(folder_->LivePath(), state().parameters, trainer_->layout(), state().updates);
  speed_.tokens = state().tokens - first_tokens_;
  speed_.seconds = state().seconds - seconds_before_;
  return reached_end;
}

void SequenceRun::Log(const agents::SequenceStatus& status) {
  speed_.operations += 1e9 * status.gflops * (status.seconds - last_log_seconds_);
  last_log_seconds_ = status.seconds;
  log_->Write(MetricsLine(status), status.span_sample);
  const double limit = options_.train.max_minutes > 0 ? seconds_before_ + 60 * options_.train.max_minutes : 0;
  if (progress_ != nullptr) progress_->Update(MakeProgressLine(status, limit));
}

void SequenceRun::SaveCheckpoint(const agents::SequenceState& state) const {
  agents::SaveSequence(folder_->CheckpointPath(state.updates), state, trainer_->layout());
  folder_->KeepNewest(static_cast<int>(options_.log.keep_checkpoints));
}

}  // namespace lethe::tools
