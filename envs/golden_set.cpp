#include "envs/golden_set.h"

#include <optional>

#include "envs/golden.h"

namespace lethe::envs {
namespace {

constexpr int kTries = 1000;
constexpr int64_t kShortLimit = 12;  // of the episode that runs out of time

// Policies for the only row of a batch.
struct Memoryless {
  Stream& random;
  uint8_t operator()(const EnvBatch& batch, std::span<const uint8_t> observation) const {
    uint8_t action = 0;
    batch.Memoryless(observation.data(), random, &action);
    return action;
  }
};

struct Random {
  Stream& random;
  uint8_t operator()(const EnvBatch& batch, std::span<const uint8_t>) const {
    return static_cast<uint8_t>(random.Below(static_cast<uint32_t>(batch.spec().num_actions)));
  }
};

double ScoreOf(const Json& line, const EnvBatch& batch) { return line["metrics"][batch.spec().score_metric]; }
bool IsTruncated(const Json& line, const EnvBatch&) { return line["truncated"].back(); }

class Recorder {
 public:
  Recorder(const Entry& entry, const Params& params, uint64_t seed)
      : entry_(entry), params_(params), seed_(seed), random_(seed, Purpose::kDemonstrate, 0, 0) {}

  // The first episode of this policy that `is_wanted`, under changed parameters.
  template <class IsWanted>
  std::optional<std::string> Record(const std::string& kind, const std::vector<Change>& changes, const Policy& policy,
                                    IsWanted&& is_wanted) {
    const auto params = params_.Clone();
    for (const Change& change : changes) params->Set(change.name, change.value);
    const auto batch = entry_.make_batch(*params, {.size = 1, .seed = seed_, .purpose = Purpose::kDemonstrate});
    for (int i = 0; i < kTries; ++i) {
      std::string line = RecordEpisode(entry_.id + ", " + kind, *batch, policy);
      if (is_wanted(Json::parse(line), *batch)) return line;
    }
    return std::nullopt;
  }

  Stream& random() { return random_; }

 private:
  const Entry& entry_;
  const Params& params_;
  const uint64_t seed_;
  Stream random_;
};

}  // namespace

std::vector<std::string> RecordGoldenSet(const Entry& entry, const Params& params, uint64_t seed) {
  Recorder recorder(entry, params, seed);
  const auto any = [](const Json&, const EnvBatch&) { return true; };
  double success = 0;
  const auto note_score = [&](const Json& line, const EnvBatch& batch) {
    success = ScoreOf(line, batch);
    return true;
  };
  const auto fails = [&](const Json& line, const EnvBatch& batch) {
    return ScoreOf(line, batch) < success && !IsTruncated(line, batch);
  };
  std::vector<std::string> lines;
  const auto add = [&](std::optional<std::string> line) {
    if (line) lines.push_back(*std::move(line));
  };
  add(recorder.Record("oracle", {}, ActAsOracle, note_score));
  add(recorder.Record("failure", {}, Memoryless{recorder.random()}, fails));
  add(recorder.Record("out of time", {{"max_steps", kShortLimit}}, Random{recorder.random()}, IsTruncated));
  add(recorder.Record("random actions", {}, Random{recorder.random()}, any));
  add(recorder.Record("hint", {{"hint", true}, {"step_cost", 0.01}}, ActAsOracle, any));
  return lines;
}

}  // namespace lethe::envs
