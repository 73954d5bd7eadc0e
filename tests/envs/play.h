#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "envs/registry.h"

namespace lethe::envs {

/// Buffers for the output of one batch.
struct Buffers {
  explicit Buffers(const EnvBatch& batch)
      : observations(static_cast<size_t>(batch.size() * batch.num_tokens())),
        rewards(batch.size()),
        terminated(batch.size()),
        truncated(batch.size()),
        episode_start(batch.size()),
        actions(batch.size()) {}

  StepOutput out() {
    return {observations.data(), rewards.data(), terminated.data(), truncated.data(), episode_start.data()};
  }
  void Step(EnvBatch& batch) { batch.Step(actions.data(), out()); }
  bool ended(int row) const { return terminated[row] || truncated[row]; }
  bool operator==(const Buffers&) const = default;

  std::vector<uint8_t> observations;
  std::vector<float> rewards;
  std::vector<uint8_t> terminated, truncated, episode_start, actions;
};

using Changes = std::vector<Change>;

inline std::unique_ptr<EnvBatch> MakeBatch(const std::string& id, const BatchOptions& options,
                                           const Changes& changes = {}) {
  const Entry& entry = Find(id);
  const auto params = entry.make_params();
  for (const Change& change : changes) params->Set(change.name, change.value);
  return entry.make_batch(*params, options);
}

inline float Metric(const EnvBatch& batch, int row, const std::string& name) {
  const auto& names = batch.spec().metric_names;
  return batch.EpisodeMetrics(row)[std::find(names.begin(), names.end(), name) - names.begin()];
}

/// Fills buffers.actions from the batch and its present observations.
using BatchPolicy = std::function<void(const EnvBatch&, Buffers&)>;

inline BatchPolicy RandomPolicy(uint64_t seed) {
  return [random = Stream(seed, Purpose::kTrain, 0, 0)](const EnvBatch& batch, Buffers& buffers) mutable {
    for (uint8_t& action : buffers.actions) action = static_cast<uint8_t>(random.Below(batch.spec().num_actions));
  };
}

inline BatchPolicy OraclePolicy() {
  return [](const EnvBatch& batch, Buffers& buffers) { batch.Oracle(buffers.actions.data()); };
}

inline BatchPolicy MemorylessPolicy(uint64_t seed) {
  return [random = Stream(seed, Purpose::kTrain, 0, 0)](const EnvBatch& batch, Buffers& buffers) mutable {
    batch.Memoryless(buffers.observations.data(), random, buffers.actions.data());
  };
}

/// Mean of one metric over the first `episodes` episodes of every row; no row counts more than another.
inline double MeanMetric(EnvBatch& batch, const BatchPolicy& policy, int episodes, const std::string& metric) {
  Buffers buffers(batch);
  batch.Reset(buffers.observations.data());
  std::vector<int> done(batch.size());
  double sum = 0;
  for (int rows_left = batch.size(); rows_left > 0;) {
    policy(batch, buffers);
    buffers.Step(batch);
    for (int row = 0; row < batch.size(); ++row) {
      if (!buffers.ended(row) || done[row] == episodes) continue;
      sum += Metric(batch, row, metric);
      rows_left -= ++done[row] == episodes;
    }
  }
  return sum / (static_cast<double>(episodes) * batch.size());
}

/// Standard error of the mean of n values that are 1 with probability p, else 0.
inline double StandardError(double p, int n) { return std::sqrt(p * (1 - p) / n); }

/// "Corridor-1k-v0" as "Corridor_1k_v0", for tests that run on several ids.
inline std::string TestNameOfId(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::ranges::replace(name, '-', '_');
  return name;
}

/// The message of the exception that `call` throws; "" if none.
template <class Call>
std::string ErrorOf(Call&& call) {
  try {
    call();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

}  // namespace lethe::envs
