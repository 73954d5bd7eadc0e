#include "envs/sequence/scorer.h"

#include <limits>
#include <numbers>

#include "envs/bytes.h"

namespace lethe::envs::sequence {
namespace {

double Ratio(double part, int64_t whole) {
  return whole > 0 ? part / static_cast<double>(whole) : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

std::vector<CompletedSequence> Scorer::Add(int64_t steps, const TokenBlock& block, const float* nats,
                                           const uint8_t* predicted, double curriculum) {
  std::vector<CompletedSequence> completed;
  for (size_t row = 0; row < labels_.size(); ++row) {
    const size_t first = row * static_cast<size_t>(steps);
    for (size_t at = first; at < first + static_cast<size_t>(steps); ++at) {
      if (block.episode_start[at]) labels_[row] = wrong_[row] = 0, curriculum_[row] = curriculum;
      if (!block.scored[at]) continue;
      sum_nats_ += nats[at];
      if (!AddLabel(row, predicted[at] == block.labels[at])) continue;
      completed.push_back({wrong_[row] == 0, curriculum_[row]});
      num_right_sequences_ += wrong_[row] == 0;
      labels_[row] = wrong_[row] = 0;
    }
  }
  num_sequences_ += static_cast<int64_t>(completed.size());
  return completed;
}

bool Scorer::AddLabel(size_t row, bool right) {
  ++num_scored_;
  num_right_ += right;
  wrong_[row] += !right;
  return ++labels_[row] == spec_.labels_per_sequence;
}

double Scorer::mean_nats() const { return Ratio(sum_nats_, num_scored_); }

double Scorer::Value(Measure measure) const {
  switch (measure) {
    case Measure::kBitsPerLabel:
      return mean_nats() / std::numbers::ln2;
    case Measure::kAccuracy:
      return Ratio(static_cast<double>(num_right_), num_scored_);
    case Measure::kError:
      return 1 - Ratio(static_cast<double>(num_right_), num_scored_);
    case Measure::kSequenceAccuracy:
      return Ratio(static_cast<double>(num_right_sequences_), num_sequences_);
  }
  return std::numeric_limits<double>::quiet_NaN();
}

std::vector<double> Scorer::Values() const {
  std::vector<double> values;
  for (const ScoreSpec& score : spec_.scores) values.push_back(Value(score.measure));
  return values;
}

std::vector<std::byte> Scorer::Save() const {
  ByteWriter writer;
  writer.Write(labels_);
  writer.Write(wrong_);
  writer.Write(curriculum_);
  writer.WriteChecksum();
  return writer.Take();
}

void Scorer::Restore(std::span<const std::byte> bytes) {
  ByteReader reader(bytes);
  reader.VerifyChecksum();
  auto labels = reader.Read<int64_t>(labels_.size()), wrong = reader.Read<int64_t>(labels_.size());
  auto curriculum = reader.Read<double>(labels_.size());
  reader.ExpectEnd();
  labels_ = std::move(labels), wrong_ = std::move(wrong), curriculum_ = std::move(curriculum);
}

void Scorer::Clear() {
  num_scored_ = num_right_ = num_sequences_ = num_right_sequences_ = 0;
  sum_nats_ = 0;
}

}  // namespace lethe::envs::sequence
