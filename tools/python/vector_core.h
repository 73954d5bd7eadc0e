#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "envs/env_batch.h"

namespace lethe::envs {
struct Entry;
class Params;
}  // namespace lethe::envs

namespace lethe::python {

/// What a vector environment is made of.
struct CoreOptions {
  int num_envs = 1;
  int threads = 1;
  uint64_t seed = 0;
  envs::Purpose purpose = envs::Purpose::kTrain;
  uint64_t first_index = 0;  ///< global index of row 0
  bool same_step = false;    ///< restart a row within the step that ends its episode
};

/// A batch of environments with the arrays that Python looks at: every call writes into the same memory, which lives as
/// long as the core. Knows nothing of Python.
///
/// Next-step mode is that of EnvBatch. In same-step mode a row whose episode ended shows the first observation of its
/// next episode at once; the last one of the old episode goes to final_observations.
/// Errors: std::invalid_argument for what the caller chose wrongly, std::out_of_range for a row, std::logic_error for
/// a call before Reset, std::runtime_error after Close. A call that throws has changed nothing.
/// Threads: one at a time, as EnvBatch; see Use.
class VectorCore {
 public:
  VectorCore(const envs::Entry& entry, const envs::Params& params, const CoreOptions& options);
  ~VectorCore();

  const envs::Spec& spec() const { return spec_; }
  const envs::Entry& entry() const { return entry_; }
  const envs::Params& params() const { return *params_; }
  int size() const { return options_.num_envs; }
  bool same_step() const { return options_.same_step; }
  int num_tokens() const { return static_cast<int>(spec_.tokens.size()); }
  int num_metrics() const { return static_cast<int>(spec_.metric_names.size()); }

  /// What a call holds during which Python may run other threads: meanwhile any other call but Reset, Reseed, Step is
  /// refused with std::runtime_error. Begins and ends under Python's lock, which the other calls hold all the time.
  class Use;

  // --- Inside a Use.

  /// Begins the next episode in every row.
  void Reset();
  /// Begins the first episode of another seed in every row; a curriculum value that was set stays.
  void Reseed(uint64_t seed);
  /// True for a row that takes no action in the next Step, because it begins an episode.
  bool IgnoresAction(int row) const { return !started_ || (!options_.same_step && finished[row]); }
  /// Steps by `actions`. Returns whether any episode ended: finished tells where, metrics what came of them.
  bool Step();

  // --- Outside.

  /// Begins the next episode in the rows where mask, [size], is not 0.
  void ResetRows(const uint8_t* mask);

  /// Write the arrays of the same name.
  void Oracle();
  void Memoryless();
  void Cues();

  std::string Level(int row) { return batch().LevelJson(row); }
  void LoadLevel(int row, const std::string& level_json);
  std::string Text(int row) { return batch().Text(row); }
  envs::Picture MakePicture(int row) { return batch().MakePicture(row); }
  void SetCurriculum(double value);

  /// Everything that decides the future, with the arrays of the last step, and back. Bytes have to come from the same
  /// environment, parameters, number of rows and mode; seed, purpose and first_index come from them. A checksum finds
  /// damage.
  std::vector<std::byte> Save();
  void Restore(std::span<const std::byte> bytes);

  /// Ends the threads and frees the environments; the arrays stay.
  void Close();
  bool closed() const { return !batch_; }

  // [size] each, but observations and final_observations [size, num_tokens], metrics [num_metrics, size].
  std::vector<uint8_t> actions;  // what Step takes
  std::vector<uint8_t> observations;
  std::vector<float> rewards;
  std::vector<uint8_t> terminated, truncated;
  std::vector<uint8_t> episode_start;       // the observation is the first of its episode
  std::vector<uint8_t> finished;            // the episode ended in the last step
  std::vector<float> metrics;               // of the latest finished episode of each row
  std::vector<uint8_t> final_observations;  // same-step mode only: where finished, the last one of the old episode
  std::vector<uint8_t> oracle, memoryless, cues;

 private:
  envs::EnvBatch& batch();
  envs::EnvBatch& StartedBatch();
  std::unique_ptr<envs::EnvBatch> MakeBatch() const;
  envs::StepOutput Output();
  void Begin(int row);
  void BeginAll();
  bool CollectFinished();
  void CollectRow(int row);
  std::string Identity() const;

  const envs::Entry& entry_;
  const std::unique_ptr<const envs::Params> params_;
  CoreOptions options_;
  std::unique_ptr<envs::EnvBatch> batch_;
  const envs::Spec spec_;
  std::optional<double> curriculum_;
  uint32_t memoryless_calls_ = 0;  // part of the random key of memoryless policies
  bool started_ = false;
  bool in_use_ = false;
};

class VectorCore::Use {
 public:
  explicit Use(VectorCore& core) : core_(core) {
    core.batch();
    core.in_use_ = true;
  }
  ~Use() { core_.in_use_ = false; }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

 private:
  VectorCore& core_;
};

}  // namespace lethe::python
