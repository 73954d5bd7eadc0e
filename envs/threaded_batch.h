#pragma once

#include <atomic>
#include <exception>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "envs/env_batch.h"

namespace lethe::envs {

/// A batch whose rows are stepped by several threads; everything else is passed on to the batch inside.
///
///     caller   CheckActions | rows of share 0 | wait for all
///     worker k     wait     | rows of share k | wait
///
/// Shares are contiguous, nearly equal and always go to the same thread, so results do not depend on the number of
/// threads. Pays where a step takes longer than waking a worker, a few microseconds: from hundreds of rows on.
/// Errors: those of EnvBatch. An exception in a worker ends the step of its share; StepRows rethrows the first one
/// after all shares have ended.
/// Threads: one caller at a time, StepRows included. Workers live from construction to destruction. A process that
/// was forked has none of them: where there are several threads, StepRows of a batch made before the fork throws
/// std::runtime_error in it. All else works, the destructor included.
class ThreadedBatch final : public EnvBatch {
 public:
  /// `threads` counts the caller; more than there are rows are not started.
  /// Errors: std::invalid_argument for threads < 1, std::system_error if the system gives no more threads.
  ThreadedBatch(std::unique_ptr<EnvBatch> batch, int threads);
  ~ThreadedBatch() override;
  ThreadedBatch(const ThreadedBatch&) = delete;
  ThreadedBatch& operator=(const ThreadedBatch&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  void StepRows(int first, int end, const uint8_t* actions, const StepOutput& out) override;

  const Spec& spec() const override { return batch_->spec(); }
  int size() const override { return batch_->size(); }
  void Reset(uint8_t* observations) override { batch_->Reset(observations); }
  void Restart(int row, uint8_t* observation) override { batch_->Restart(row, observation); }
  void CheckActions(const uint8_t* actions) const override { batch_->CheckActions(actions); }
  void Observe(uint8_t* observations) const override { batch_->Observe(observations); }
  std::span<const float> EpisodeMetrics(int row) const override { return batch_->EpisodeMetrics(row); }
  void SetCurriculum(double value) override { batch_->SetCurriculum(value); }
  std::vector<std::byte> Save() const override { return batch_->Save(); }
  void Restore(std::span<const std::byte> bytes) override { batch_->Restore(bytes); }
  Picture MakePicture(int row) const override { return batch_->MakePicture(row); }
  std::string Text(int row) const override { return batch_->Text(row); }
  std::string LevelJson(int row) const override { return batch_->LevelJson(row); }
  void LoadLevel(int row, const std::string& level_json) override { batch_->LoadLevel(row, level_json); }
  void Oracle(uint8_t* actions) const override { batch_->Oracle(actions); }
  bool HasScout() const override { return batch_->HasScout(); }
  void Scout(uint8_t* actions, uint8_t* ties) override { batch_->Scout(actions, ties); }
  void Explain(uint8_t* tokens) const override { batch_->Explain(tokens); }
  void Memoryless(const uint8_t* observations, Stream& random, uint8_t* actions) const override {
    batch_->Memoryless(observations, random, actions);
  }
  bool IsCue(int row) const override { return batch_->IsCue(row); }
  void Cues(uint8_t* is_cue) const override { batch_->Cues(is_cue); }

 private:
  // Written by the caller before it raises round_, read by workers after they saw it.
  struct Job {
    int first = 0;
    int end = 0;
    const uint8_t* actions = nullptr;
    StepOutput out;
    bool stop = false;
  };

  bool LostWorkers() const;
  void Stop();
  void Forget();
  void Work(int share);
  void StepShare(int share) noexcept;

  const std::unique_ptr<EnvBatch> batch_;
  const uint32_t forks_;  // those that had led to this process at construction
  Job job_;
  std::vector<std::exception_ptr> errors_;      // one per share
  alignas(64) std::atomic<uint32_t> round_{0};  // number of the job to be done
  alignas(64) std::atomic<int> working_{0};     // shares of workers that are not done
  std::vector<std::thread> workers_;            // last: they use all of the above
};

}  // namespace lethe::envs
