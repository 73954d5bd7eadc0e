#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "tests/envs/play.h"

namespace lethe::envs {

// A search over policies that see nothing but the present observation: whatever it finds must not beat the stated
// bound.

/// Numbers the distinct observations of one environment in the order they are met.
class ObservationIndex {
 public:
  explicit ObservationIndex(int num_tokens) : num_tokens_(static_cast<size_t>(num_tokens)) {}

  size_t Of(const uint8_t* tokens) {
    key_.assign(reinterpret_cast<const char*>(tokens), num_tokens_);
    return index_.try_emplace(key_, index_.size()).first->second;
  }
  size_t size() const { return index_.size(); }

 private:
  const size_t num_tokens_;
  std::string key_;
  std::unordered_map<std::string, size_t> index_;
};

/// Mean and its standard error.
struct Estimate {
  double mean = 0;
  double error = 0;
};

/// One episode per row of a fresh batch. policy(batch, buffers) fills buffers.actions.
template <class Policy>
Estimate Play(EnvBatch& batch, Policy&& policy) {
  Buffers buffers(batch);
  batch.Reset(buffers.observations.data());
  const auto& names = batch.spec().metric_names;
  const auto score = static_cast<size_t>(std::ranges::find(names, batch.spec().score_metric) - names.begin());
  std::vector<uint8_t> done(batch.size());
  double sum = 0, squares = 0;
  for (int left = batch.size(); left > 0;) {
    policy(batch, buffers);
    buffers.Step(batch);
    for (int row = 0; row < batch.size(); ++row) {
      if (!buffers.ended(row) || done[row]) continue;
      done[row] = 1;
      --left;
      const double value = batch.EpisodeMetrics(row)[score];
      sum += value;
      squares += value * value;
    }
  }
  const double n = batch.size(), mean = sum / n;
  return {mean, std::sqrt(std::max(0.0, squares / n - mean * mean) / (n - 1))};
}

/// The value of every action on every observation, learnt by SARSA(lambda), which with lambda near 1 is known to find
/// good policies without memory where one-step methods are misled by observations that look alike.
/// Source: Loch and Singh, "Using eligibility traces to find the best memoryless policy in partially observable Markov
/// decision processes", ICML 1998. Here lambda-returns are computed backwards over stretches of kUnroll steps.
class Sarsa {
 public:
  Sarsa(int num_tokens, int num_actions) : index_(num_tokens), num_actions_(static_cast<size_t>(num_actions)) {}

  /// Plays and learns for about so many steps; false: there are more than `most_observations` observations.
  bool Learn(EnvBatch& batch, int64_t steps, size_t most_observations);

  /// Acts at random with probability epsilon, else by the best known action.
  void Act(const EnvBatch& batch, Buffers& buffers, double epsilon, Stream& random) {
    for (int row = 0; row < batch.size(); ++row)
      buffers.actions[row] = Choose(IndexOf(batch, buffers, row), epsilon, random);
  }

  /// Numbers of the observations on which an action was chosen, those after the end of an episode left out.
  std::vector<size_t> DecidedOn() const {
    std::vector<size_t> numbers;
    for (size_t i = 0; i < decided_.size(); ++i)
      if (decided_[i]) numbers.push_back(i);
    return numbers;
  }

  /// Prescribes one action for an observation, instead of what was learnt.
  void Prescribe(size_t observation, size_t action) {
    for (size_t a = 0; a < num_actions_; ++a) values_[observation * num_actions_ + a] = a == action;
  }

 private:
  static constexpr int kUnroll = 128;
  static constexpr double kLambda = 0.95, kDiscount = 0.98, kFirstRate = 0.05, kLastRate = 0.001;
  static constexpr float kOptimism = 0.05f;  // what was not tried yet is worth a try

  struct Moment {
    size_t cell = 0;  // of the table: observation and action
    float reward = 0;
    bool is_end = false;    // the episode ends here
    bool is_first = false;  // the action was ignored: a new episode begins
  };

  size_t IndexOf(const EnvBatch& batch, const Buffers& buffers, int row) {
    const size_t observation = index_.Of(&buffers.observations[static_cast<size_t>(row * batch.num_tokens())]);
    if (values_.size() < index_.size() * num_actions_) values_.resize(index_.size() * num_actions_, kOptimism);
    return observation;
  }

  uint8_t Choose(size_t observation, double epsilon, Stream& random) const {
    if (random.Uniform() < epsilon) return static_cast<uint8_t>(random.Below(static_cast<uint32_t>(num_actions_)));
    const auto first = values_.begin() + static_cast<std::ptrdiff_t>(observation * num_actions_);
    return static_cast<uint8_t>(std::max_element(first, first + static_cast<std::ptrdiff_t>(num_actions_)) - first);
  }

  // moments: of one row, in order; the last one only bootstraps.
  void Update(const std::vector<Moment>& moments) {
    double value = values_[moments.back().cell];
    for (size_t t = moments.size() - 1; t-- > 0;) {
      const Moment& now = moments[t];
      if (now.is_first) continue;  // nothing was decided; what follows is another episode
      const double next = now.is_end ? 0 : (1 - kLambda) * values_[moments[t + 1].cell] + kLambda * value;
      value = now.reward + kDiscount * next;
      values_[now.cell] += static_cast<float>(rate_ * (value - values_[now.cell]));
    }
  }

  ObservationIndex index_;
  const size_t num_actions_;
  double rate_ = kFirstRate;
  std::vector<float> values_;
  std::vector<bool> decided_;
};

using MakeRows = std::function<std::unique_ptr<EnvBatch>(int rows, uint64_t seed)>;

inline Estimate PlaySarsa(Sarsa& sarsa, EnvBatch& batch, double epsilon, uint64_t seed) {
  Stream random(seed, Purpose::kTrain, 1, 0);
  return Play(batch, [&](const EnvBatch& playing, Buffers& buffers) { sarsa.Act(playing, buffers, epsilon, random); });
}

/// The best of what was learnt, by a little or a lot of chance: the best policy without memory may have to toss coins.
inline Estimate BestLearnt(Sarsa& sarsa, const MakeRows& make) {
  double best = 0, best_mean = -1e9;
  for (const double epsilon : {0.0, 0.02, 0.1, 0.3, 1.0}) {
    const double mean = PlaySarsa(sarsa, *make(500, 31), epsilon, 31).mean;
    if (mean > best_mean) best = epsilon, best_mean = mean;
  }
  return PlaySarsa(sarsa, *make(4'000, 32), best, 32);  // other levels, so that luck in choosing does not count
}

/// Tries every policy that always does the same on the same observation. nullopt: there are more than `most` of them.
inline std::optional<Estimate> BestOfAll(Sarsa& sarsa, int num_actions, double most, const MakeRows& make) {
  const auto observations = sarsa.DecidedOn();
  const double policies = std::pow(num_actions, static_cast<double>(observations.size()));
  if (policies > most) return std::nullopt;
  const auto prescribe = [&](size_t policy) {
    for (const size_t observation : observations) {
      sarsa.Prescribe(observation, policy % static_cast<size_t>(num_actions));
      policy /= static_cast<size_t>(num_actions);
    }
  };
  std::vector<std::pair<double, size_t>> found;
  for (size_t policy = 0; policy < static_cast<size_t>(policies); ++policy) {
    prescribe(policy);
    found.emplace_back(PlaySarsa(sarsa, *make(64, 33), 0, 0).mean, policy);
  }
  std::partial_sort(found.begin(), found.begin() + std::min<std::ptrdiff_t>(20, std::ssize(found)), found.end(),
                    std::greater());
  Estimate best{-1e9, 0};
  for (size_t i = 0; i < std::min<size_t>(20, found.size()); ++i) {
    prescribe(found[i].second);
    const Estimate again = PlaySarsa(sarsa, *make(1'000, 34), 0, 0);
    if (again.mean > best.mean) best = again, found[0].second = found[i].second;
  }
  prescribe(found[0].second);
  return PlaySarsa(sarsa, *make(4'000, 35), 0, 0);
}

/// Easy levels first: rewards are found there, and observations look the same. progress: 0 .. 1, and more.
inline void SetDifficulty(EnvBatch& batch, double progress) {
  const Spec& spec = batch.spec();
  if (spec.curriculum_parameter.empty()) return;
  const double share = std::min(1.0, progress);
  batch.SetCurriculum(spec.curriculum_min *
                      std::pow(std::max(1.0, spec.curriculum_max) / std::max(1.0, spec.curriculum_min), share));
}

inline bool Sarsa::Learn(EnvBatch& batch, int64_t steps, size_t most_observations) {
  Buffers buffers(batch);
  Stream random(5, Purpose::kTrain, 0, 0);
  batch.Reset(buffers.observations.data());
  std::vector<std::vector<Moment>> moments(static_cast<size_t>(batch.size()));
  std::vector<uint8_t> ended(moments.size());
  for (int64_t done = 0; done < steps;) {
    const double progress = static_cast<double>(done) / static_cast<double>(steps);
    const double epsilon = std::max(0.05, 0.5 * (1 - 1.5 * progress));
    SetDifficulty(batch, 1.3 * progress);
    rate_ = kFirstRate * std::pow(kLastRate / kFirstRate, progress);
    for (int t = 0; t <= kUnroll; ++t) {
      for (size_t row = 0; row < moments.size(); ++row) {
        const size_t observation = IndexOf(batch, buffers, static_cast<int>(row));
        buffers.actions[row] = Choose(observation, epsilon, random);
        decided_.resize(index_.size());
        decided_[observation] = decided_[observation] || !ended[row];
        moments[row].push_back({observation * num_actions_ + buffers.actions[row], 0, false, ended[row] != 0});
      }
      if (t == kUnroll) break;
      buffers.Step(batch);
      for (size_t row = 0; row < moments.size(); ++row) {
        ended[row] = buffers.ended(static_cast<int>(row));
        moments[row].back().reward = buffers.rewards[row];
        moments[row].back().is_end = ended[row] != 0;
      }
      done += batch.size();
    }
    for (auto& row : moments) {
      Update(row);
      row.clear();
    }
    if (index_.size() > most_observations) return false;
  }
  return true;
}

}  // namespace lethe::envs
