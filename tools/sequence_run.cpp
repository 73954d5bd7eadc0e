#include "tools/sequence_run.h"

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
  OpenRecord();
}

void SequenceRun::Resume(configs::RunFolder folder, const std::function<void(const std::string&)>& warn) {
  folder_ = std::make_unique<const configs::RunFolder>(std::move(folder));
  trainer_->Restore(agents::LoadSequence(folder_->NewestGoodCheckpoint(warn), trainer_->layout(), trainer_->core()));
  OpenRecord();
}

void SequenceRun::OpenRecord() {
  record_ = std::make_unique<RunRecord>(*folder_, agents::ToYaml(options_), "updates", state().updates,
                                        RunRecord::Start{state().tokens, state().seconds}, options_.train.max_minutes,
                                        progress_);
}

bool SequenceRun::Train(const std::function<bool()>& stop) {
  stop_ = stop;
  const bool reached_end = trainer_->Train();
  agents::SaveSequenceWeights(folder_->LivePath(), state().parameters, trainer_->layout(), state().updates);
  return reached_end;
}

void SequenceRun::Log(const agents::SequenceStatus& status) {
  record_->Write(MetricsLine(status), status.span_sample, status.gflops, status.seconds,
                 MakeProgressLine(status, record_->time_limit()));
}

void SequenceRun::SaveCheckpoint(const agents::SequenceState& state) const {
  agents::SaveSequence(folder_->CheckpointPath(state.updates), state, trainer_->layout());
  folder_->KeepNewest(static_cast<int>(options_.log.keep_checkpoints));
}

}  // namespace lethe::tools
