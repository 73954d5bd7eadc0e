#include <algorithm>
#include <cmath>

#include "envs/sequence/sequence_registry.h"
#include "envs/sequence/stream_state.h"

namespace lethe::envs::sequence {
namespace {

constexpr const char* kCopyRules = R"(Count, wait, and say the number.

    tokens   A A A B B B B B Q Q Q Q      count 3, distance 5, count_max 4
    labels   - - - - - - - - 1 1 1 2      A 0, B 1, Q 2; - is 0, not scored

A sample is A * count, B * distance, Q * `count_max`. The label of the j-th Q is 1 if j <= count, else 2 (stop).

**Stream.** count is uniform in 1 .. `count_max`, the distance uniform in D / 2 (rounded down) .. D with D = `distance`.
Samples follow each other; memory begins anew at the first token of each. A curriculum drives `distance`, from 1 on: a
sample takes the D that is in force at its first token. With B rows, row b reads samples b, b + B, ...
of the split, so that an evaluation scores the same samples whatever B.

**Scores.** sequence_accuracy: all `count_max` labels of a sample right; token_accuracy.

**Memory needed.** distance + 1 steps, for the last A.

**Without memory** all samples look alike from the first Q on, so answers are constant: sequence_accuracy at most
1 / `count_max`, as every count is equally likely, and token_accuracy the mean over j of max(P, 1 - P) with
P = (count_max - j + 1) / count_max, the share of samples where the j-th label is 1.

**Source.** Sukhbaatar et al., arXiv:2105.06548, "Copy": up to 128k steps between. Generator and scores are ours.
)";

enum Token : uint8_t { kA, kB, kQ };
enum Label : uint8_t { kNone, kGoOn, kStop };

struct CopyParams {
  int64_t count_max = 16;
  int64_t distance = 1'024;
  int64_t valid_samples = 200;
  int64_t test_samples = 1'000;

  template <class V>
  void Visit(V& v) {
    v("count_max", count_max, configs::Range{2, 1'024}, "largest number of A's, and the number of questions");
    v("distance", distance, configs::Range{1, 1'000'000'000}, "largest number of B's between A's and questions");
    v("valid_samples", valid_samples, configs::Range{1, 1'000'000'000}, "samples of the valid split");
    v("test_samples", test_samples, configs::Range{1, 1'000'000'000}, "samples of the test split");
  }
  void Check() const {}
};

double TokenChance(int64_t count_max) {
  double sum = 0;
  for (int64_t j = 1; j <= count_max; ++j) {
    const double go_on = static_cast<double>(count_max - j + 1) / static_cast<double>(count_max);
    sum += std::max(go_on, 1 - go_on);
  }
  return sum / static_cast<double>(count_max);
}

class Copy final : public SequenceStream {
 public:
  using Params = CopyParams;
  static constexpr const char* kFamily = "Copy";
  static constexpr const char* kRules = kCopyRules;

  Copy(const Params& params, const StreamOptions& options) : params_(params), options_(options) {
    spec_ = {.family = kFamily,
             .num_symbols = 3,
             .num_labels = 3,
             .unscored_label = kNone,
             .labels_per_sequence = params.count_max,
             .scores = {},
             .curriculum_parameter = "distance",
             .curriculum_min = 1,
             .curriculum_max = static_cast<double>(params.distance)};
    spec_.scores = {{"sequence_accuracy", Measure::kSequenceAccuracy, 1 / static_cast<double>(params.count_max)},
                    {"token_accuracy", Measure::kAccuracy, TokenChance(params.count_max)}};
    for (int row = 0; row < options.rows; ++row) rows_.push_back({.number = row, .longest = params.distance});
  }

  const SequenceSpec& spec() const override { return spec_; }
  const StreamOptions& options() const override { return options_; }

  bool Next(const TokenBlock& out) override {
    if (std::ranges::all_of(rows_, [&](const Place& place) { return IsOver(place); })) return false;
    for (int row = 0; row < options_.rows; ++row) WriteRow(rows_[row], row * options_.steps, out);
    return true;
  }

  void SetCurriculum(double value) override {
    if (std::isnan(value)) throw std::invalid_argument("distance is not a number");
    const double longest = std::clamp(std::floor(value), spec_.curriculum_min, spec_.curriculum_max);
    for (Place& place : rows_) place.longest = static_cast<int64_t>(longest);
  }

  std::vector<std::byte> Save() const override { return SaveCounters(OwnIdentity(), rows_); }
  void Restore(std::span<const std::byte> bytes) override {
    rows_ = RestoreCounters<Place>(bytes, OwnIdentity(), rows_.size());
  }

 private:
  struct Place {
    int64_t number = 0;  // of the sample in the split
    int64_t next = 0;    // token of the sample
    int64_t count = 0;
    int64_t distance = 0;
    int64_t longest = 0;  // distance of samples that begin from now on
  };

  void DrawSample(Place& place) const {
    Stream random = SplitStream(options_.seed, options_.split, static_cast<uint32_t>(place.number));
    place.count = random.Between(1, params_.count_max);
    place.distance = random.Between(place.longest / 2, place.longest);
  }

  bool IsOver(const Place& place) const {
    if (options_.split == Split::kTrain) return false;
    return place.number >= (options_.split == Split::kValid ? params_.valid_samples : params_.test_samples);
  }

  void WriteRow(Place& place, int64_t at, const TokenBlock& out) const {
    for (const int64_t end = at + options_.steps; at < end; ++at) {
      out.tokens[at] = out.labels[at] = out.scored[at] = 0;
      out.padding[at] = out.episode_start[at] = IsOver(place);
      if (out.padding[at]) continue;
      out.episode_start[at] = place.next == 0;
      if (place.next == 0) DrawSample(place);
      WriteToken(place, at, out);
      if (++place.next == place.count + place.distance + params_.count_max) {
        place.number += options_.rows;
        place.next = 0;
      }
    }
  }

  static void WriteToken(const Place& place, int64_t at, const TokenBlock& out) {
    const int64_t question = place.next - place.count - place.distance;  // from 0
    out.tokens[at] = question >= 0 ? kQ : place.next < place.count ? kA : kB;
    if (question < 0) return;
    out.labels[at] = question < place.count ? kGoOn : kStop;
    out.scored[at] = 1;
  }

  Json OwnIdentity() const {
    Json identity = Identity(spec_, options_);
    identity.update(ParamsOf<Params>(params_).ToJson());
    return identity;
  }

  Params params_;
  StreamOptions options_;
  SequenceSpec spec_;
  std::vector<Place> rows_;
};

LETHE_REGISTER_TASK(Copy, {
                              {"Copy-v0", {}},
                              {"Copy-1k-v0", {{"distance", 1'024}}},
                              {"Copy-16k-v0", {{"distance", 16'384}}},
                              {"Copy-128k-v0", {{"distance", 131'072}}},
                          });

}  // namespace
}  // namespace lethe::envs::sequence
