// The return formula against its definition, written as sums in double, and the special cases it promises.

#include "agents/vtrace.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace lethe::agents {
namespace {

constexpr double kTolerance = 2e-5;  // float32 outputs of order 10

/// One row of a rollout with ends of both kinds. Slots that the formula must ignore hold large numbers.
struct Row {
  std::vector<float> rewards, values, ratios;
  std::vector<uint8_t> terminated, is_last;
  std::vector<float> targets, advantages;

  size_t size() const { return rewards.size(); }
  void Compute(const ReturnConstants& constants) {
    targets.assign(size(), 0), advantages.assign(size(), 0);
    Returns({rewards, values, ratios, terminated, is_last}, constants, targets, advantages);
  }
};

enum class Policy { kOn, kOff };

Row RandomRow(size_t steps, uint32_t seed, Policy policy) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::uniform_real_distribution<float> uniform(0, 1);
  Row row;
  bool last = false;
  for (size_t t = 0; t < steps; ++t) {
    row.is_last.push_back(last);
    const bool ends = !last && uniform(random) < 0.2f, terminates = ends && uniform(random) < 0.5f;
    row.rewards.push_back(last ? 1e6f : normal(random));
    row.values.push_back(normal(random));
    row.ratios.push_back(last ? 1e6f : policy == Policy::kOn ? 1.0f : 3 * uniform(random));
    row.terminated.push_back(terminates);
    last = ends;
  }
  row.values.push_back(normal(random));
  return row;
}

/// First slot after t that belongs to another step's future: where the sum over t's episode stops.
size_t EpisodeEnd(const Row& row, size_t t) {
  while (row.terminated[t] == 0 && t + 1 < row.size() && row.is_last[t + 1] == 0) ++t;
  return t + 1;
}

double NextValue(const Row& row, size_t t) { return row.terminated[t] != 0 ? 0 : row.values[t + 1]; }

/// A_t = sum over s of (gamma lambda)^(s - t) (c_t ... c_{s-1}) rho_s (r_s + gamma V_{s+1} - V_s).
double Advantage(const Row& row, size_t t, const ReturnConstants& k) {
  double sum = 0, weight = 1;
  for (size_t s = t; s < EpisodeEnd(row, t); ++s) {
    const double delta = row.rewards[s] + k.discount * NextValue(row, s) - row.values[s];
    sum += weight * std::min<double>(k.clip_rho, row.ratios[s]) * delta;
    weight *= k.discount * k.lambda * std::min<double>(k.clip_c, row.ratios[s]);
  }
  return sum;
}

/// r_t + gamma r_{t+1} + ... + gamma^n V of the slot after the last reward.
double NStepReturn(const Row& row, size_t t, double discount) {
  double sum = 0, weight = 1;
  const size_t end = EpisodeEnd(row, t);
  for (size_t s = t; s < end; ++s, weight *= discount) sum += weight * row.rewards[s];
  return sum + weight * NextValue(row, end - 1);
}

TEST(VTrace, FollowsItsDefinition) {
  for (uint32_t seed = 0; seed < 50; ++seed) {
    const ReturnConstants constants{.discount = 0.97, .lambda = 0.9, .clip_rho = 1.5, .clip_c = 0.8};
    Row row = RandomRow(30, seed, Policy::kOff);
    row.Compute(constants);
    for (size_t t = 0; t < row.size(); ++t) {
      if (row.is_last[t] != 0) continue;
      const double want = Advantage(row, t, constants);
      EXPECT_NEAR(row.advantages[t], want, kTolerance) << "seed " << seed << ", step " << t;
      EXPECT_NEAR(row.targets[t], row.values[t] + want, kTolerance) << "seed " << seed << ", step " << t;
    }
  }
}

TEST(VTrace, OnPolicyWithLambdaOneIsTheNStepReturn) {
  for (uint32_t seed = 0; seed < 20; ++seed) {
    Row row = RandomRow(30, seed, Policy::kOn);
    row.Compute({.discount = 0.95, .lambda = 1});
    for (size_t t = 0; t < row.size(); ++t)
      if (row.is_last[t] == 0) EXPECT_NEAR(row.targets[t], NStepReturn(row, t, 0.95), kTolerance);
  }
}

TEST(VTrace, OnPolicyTheAdvantageIsGae) {
  for (uint32_t seed = 0; seed < 20; ++seed) {
    Row row = RandomRow(30, seed, Policy::kOn);
    row.Compute({.discount = 0.95, .lambda = 0.8});
    for (size_t t = 0; t < row.size(); ++t) {
      if (row.is_last[t] != 0) continue;
      double gae = 0, weight = 1;
      for (size_t s = t; s < EpisodeEnd(row, t); ++s, weight *= 0.95 * 0.8)
        gae += weight * (row.rewards[s] + 0.95 * NextValue(row, s) - row.values[s]);
      EXPECT_NEAR(row.advantages[t], gae, kTolerance);
    }
  }
}

TEST(VTrace, TruncationBootstrapsTerminationDoesNot) {
  Row row{.rewards = {1, 0}, .values = {0.5f, 10, 100}, .ratios = {1, 1}, .terminated = {0, 0}, .is_last = {0, 1}};
  row.Compute({.discount = 0.5, .lambda = 1});
  EXPECT_FLOAT_EQ(row.targets[0], 1 + 0.5f * 10) << "the value of the final observation's slot";
  row.terminated[0] = 1;
  row.Compute({.discount = 0.5, .lambda = 1});
  EXPECT_FLOAT_EQ(row.targets[0], 1);
}

TEST(VTrace, FinalObservationsHaveNothingToLearn) {
  Row row = RandomRow(60, 3, Policy::kOff);
  row.Compute({});
  ASSERT_GT(std::ranges::count(row.is_last, 1), 3);
  for (size_t t = 0; t < row.size(); ++t) {
    if (row.is_last[t] == 0) continue;
    EXPECT_EQ(row.advantages[t], 0);
    EXPECT_EQ(row.targets[t], row.values[t]);
  }
}

}  // namespace
}  // namespace lethe::agents
