#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "envs/env_batch.h"

namespace lethe::envs {

/// A batch whose observations end with one token more: the action that led to them, from 1 on, and 0 in the first
/// observation of an episode. Everything else is passed on to the batch inside.
///
/// Whoever sees its last action can write notes in its actions and so carry facts over any time: bounds on scores
/// without memory do not hold for such a player, and results have to say that it was one.
/// Of saved bytes, what belongs to the batch inside has a checksum; last actions are held to the table alone.
/// Errors: those of EnvBatch; std::invalid_argument for a batch of 256 actions or more.
class LastActionBatch final : public EnvBatch {
 public:
  /// batch: fresh, or with rows whose episode stands at its first observation.
  explicit LastActionBatch(std::unique_ptr<EnvBatch> batch);

  const Spec& spec() const override { return spec_; }
  int size() const override { return batch_->size(); }
  void Reset(uint8_t* observations) override;
  void Restart(int row, uint8_t* observation) override;
  void CheckActions(const uint8_t* actions) const override { batch_->CheckActions(actions); }
  void StepRows(int first, int end, const uint8_t* actions, const StepOutput& out) override;
  void Observe(uint8_t* observations) const override;
  std::span<const float> EpisodeMetrics(int row) const override { return batch_->EpisodeMetrics(row); }
  void SetCurriculum(double value) override { batch_->SetCurriculum(value); }
  std::vector<std::byte> Save() const override;
  void Restore(std::span<const std::byte> bytes) override;
  Picture MakePicture(int row) const override { return batch_->MakePicture(row); }
  std::string Text(int row) const override { return batch_->Text(row); }
  std::string LevelJson(int row) const override { return batch_->LevelJson(row); }
  void LoadLevel(int row, const std::string& level_json) override;
  void Oracle(uint8_t* actions) const override { batch_->Oracle(actions); }
  bool HasScout() const override { return batch_->HasScout(); }
  void Scout(uint8_t* actions, uint8_t* ties) override { batch_->Scout(actions, ties); }
  void Explain(uint8_t* tokens) const override { batch_->Explain(tokens); }
  void Memoryless(const uint8_t* observations, Stream& random, uint8_t* actions) const override;
  bool IsCue(int row) const override { return batch_->IsCue(row); }
  void Cues(uint8_t* is_cue) const override { batch_->Cues(is_cue); }

 private:
  /// Writes rows first .. end - 1 of `inner_` with their last actions behind.
  void Write(int first, int end, uint8_t* observations) const;

  const std::unique_ptr<EnvBatch> batch_;
  Spec spec_;
  size_t inner_tokens_;
  mutable std::vector<uint8_t> inner_;  // [size * inner_tokens_], what the batch inside writes
  std::vector<uint8_t> last_;           // [size]
};

}  // namespace lethe::envs
