// The actor-critic update as a whole against its parts.

#include "agents/actor_critic.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "agents/actor.h"
#include "agents/credit.h"
#include "agents/flat_parameters.h"
#include "tests/agents/tiny_run.h"

namespace lethe::agents {
namespace {

/// The policy has moved since it acted, so values differ from those in the rollout.
TEST(ActorCritic, ValuesAreClippedToThoseOfThePolicyThatActed) {
  const auto run = MakeTinyRun();
  torch::manual_seed(8);
  Policy policy(MakePolicyOptions(*run));
  FlatParameters parameters(policy);
  Actor actor({.unroll = run->train.unroll_length}, MakeEnvs(*run, 4, envs::Purpose::kTrain, 0),
              std::make_shared<Policy>(policy.options()));
  std::vector<Rollout> rollouts;
  rollouts.push_back(actor.Run({.version = 0, .values = parameters.Read(), .curriculum = 5}));
  std::vector<float> moved = parameters.Read();
  for (size_t i = 0; i < moved.size(); ++i) moved[i] += 0.05f * static_cast<float>(i % 7) - 0.15f;
  parameters.Write(moved);

  WorkerPool pool(1);
  ShardedPolicy sharded(policy, parameters, pool);
  const Rollout& r = rollouts[0];
  ActorCriticOptions options;
  const auto shards = sharded.Forward(rollouts, {r.memory}, false);
  const Credit credit = AssignCredit(shards[0], options.returns);
  for (const double clip : {0.0, 0.05}) {
    double want = 0;
    int64_t steps = 0, clipped = 0;
    for (int64_t row = 0; row < r.rows; ++row)
      for (int64_t t = 0; t < r.unroll; ++t) {
        if (!HasLoss(r, row, t)) continue;
        const double value = shards[0].Head(row, t).back(),
                     target = credit.targets[static_cast<size_t>(row * r.unroll + t)];
        const double acting = r.head[static_cast<size_t>((t * r.rows + row + 1) * (r.num_actions + 1) - 1)];
        const double near = acting + std::clamp(value - acting, -clip, clip);
        const double plain = (value - target) * (value - target), cut = (near - target) * (near - target);
        want += clip > 0 ? std::max(plain, cut) : plain;
        clipped += clip > 0 && cut > plain;
        ++steps;
      }
    EXPECT_TRUE(clip <= 0 || clipped > 0);
    options.loss.value_clip = clip;
    Optimizer still({.learning_rate = 0}, moved.size());
    EXPECT_NEAR(ActorCriticUpdate(rollouts, options, 0, sharded, moved, still).value_loss,
                want / static_cast<double>(steps), 1e-5);
  }
}

/// Large returns count relative to their deviation, small ones as they are.
TEST(ActorCritic, LargeReturnsDoNotDrownThePolicy) {
  const auto run = MakeTinyRun();
  torch::manual_seed(9);
  Policy policy(MakePolicyOptions(*run));
  FlatParameters parameters(policy);
  std::vector<float> values = parameters.Read();
  Actor actor({.unroll = run->train.unroll_length}, MakeEnvs(*run, 4, envs::Purpose::kTrain, 0),
              std::make_shared<Policy>(policy.options()));
  std::vector<Rollout> rollouts;
  rollouts.push_back(actor.Run({.version = 0, .values = values, .curriculum = 5}));
  WorkerPool pool(1);
  ShardedPolicy sharded(policy, parameters, pool);
  Rollout& r = rollouts[0];
  const auto norm = [&](ActorCriticOptions options) {
    Optimizer still({.learning_rate = 0}, values.size());
    return ActorCriticUpdate(rollouts, options, 0, sharded, values, still).grad_norm;
  };
  for (const float size : {0.01f, 100.0f}) {
    for (size_t i = 0; i < r.rewards.size(); ++i) r.rewards[i] = size * static_cast<float>(i % 5 == 0);
    const auto shards = sharded.Forward(rollouts, {r.memory}, false);
    const Credit credit = AssignCredit(shards[0], {});
    double sum = 0, square = 0, steps = 0;
    for (int64_t row = 0; row < r.rows; ++row)
      for (int64_t t = 0; t < r.unroll; ++t) {
        if (!HasLoss(r, row, t)) continue;
        const double target = credit.targets[static_cast<size_t>(row * r.unroll + t)];
        sum += target, square += target * target, ++steps;
      }
    const double variance = square / steps - sum * sum / steps / steps;
    ASSERT_EQ(variance > 1, size > 1);
    ActorCriticOptions by_hand;
    by_hand.normalise_values = false;
    if (size > 1) by_hand.loss.value /= variance;
    EXPECT_NEAR(norm({}) / norm(by_hand), 1, 1e-6);
    ActorCriticOptions drowning;
    drowning.normalise_values = false;
    EXPECT_TRUE(size <= 1 || norm(drowning) > 5 * norm({}));
  }
}

}  // namespace
}  // namespace lethe::agents
