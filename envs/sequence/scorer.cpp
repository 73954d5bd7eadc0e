#include "envs/sequence/scorer.h"

#include <limits>
#include <numbers>

namespace lethe::envs::sequence {
namespace {

double Ratio(double part, int64_t whole) {
  return whole > 0 ? part / static_cast<double>(whole) : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

void Scorer::Add(int64_t steps, const TokenBlock& block, const float* nats, const uint8_t* predicted) {
  for (size_t row = 0; row < rows_.size(); ++row) {
    const size_t first = row * static_cast<size_t>(steps);
    for (size_t at = first; at < first + static_cast<size_t>(steps); ++at) {
      if (block.episode_start[at]) rows_[row] = {};
      if (!block.scored[at]) continue;
      sum_nats_ += nats[at];
      AddLabel(rows_[row], predicted[at] == block.labels[at]);
    }
  }
}

void Scorer::AddLabel(Progress& progress, bool right) {
  ++num_scored_;
  num_right_ += right;
  progress.all_right &= right;
  if (++progress.labels != spec_.labels_per_sequence) return;
  ++num_sequences_;
  num_right_sequences_ += progress.all_right;
  progress = {};
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

void Scorer::Clear() {
  num_scored_ = num_right_ = num_sequences_ = num_right_sequences_ = 0;
  sum_nats_ = 0;
}

}  // namespace lethe::envs::sequence
