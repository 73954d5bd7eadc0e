// The price of memory against its formula, and the student's memory over rollouts.

#include "agents/consolidation.h"

#include <gtest/gtest.h>

#include <cmath>

#include "agents/actor.h"
#include "agents/flat_parameters.h"
#include "tests/agents/tiny_run.h"

namespace lethe::agents {
namespace {

ConsolidationOptions Options() {
  ConsolidationOptions o;
  o.tolerance = 0.1, o.alpha_start = 1e-4, o.alpha_min = 1e-6, o.alpha_max = 1e-2, o.alpha_rate = 0.5,
  o.averaging = 0.9;
  return o;
}

TEST(MemoryPrice, FollowsItsFormula) {
  const ConsolidationOptions o = Options();
  MemoryPrice price(o);
  double alpha = o.alpha_start, kl = 0;
  for (const double per_episode : {0.0, 0.05, 0.4, 0.9, 0.1}) {
    price.Update(per_episode * 8, 8, 0);
    kl = o.averaging * kl + (1 - o.averaging) * per_episode;
    alpha *= std::exp(o.alpha_rate * std::min(1.0, std::max(-2.0, (o.tolerance - kl) / o.tolerance)));
    EXPECT_NEAR(price.kl(), kl, 1e-12);
    EXPECT_NEAR(price.alpha(), alpha, 1e-12 * alpha);
  }
}

TEST(MemoryPrice, RisesInAgreementAndFallsInDisagreement) {
  MemoryPrice agreeing(Options()), disagreeing(Options());
  agreeing.Update(0, 10, 0);
  disagreeing.Update(1000, 10, 0);
  EXPECT_NEAR(agreeing.alpha(), 1e-4 * std::exp(0.5), 1e-9);
  EXPECT_NEAR(disagreeing.alpha(), 1e-4 * std::exp(-1.0), 1e-9) << "the pull is cut at -2";
}

TEST(MemoryPrice, StaysWithinItsBounds) {
  MemoryPrice price(Options());
  for (int i = 0; i < 50; ++i) price.Update(0, 1, 0);
  EXPECT_EQ(price.alpha(), 1e-2);
  for (int i = 0; i < 100; ++i) price.Update(100, 1, 0);
  EXPECT_EQ(price.alpha(), 1e-6);
}

TEST(MemoryPrice, KlWaitsForAnEpisodeToFinish) {
  MemoryPrice price(Options());
  price.Update(0.3, 0, 0);
  price.Update(0.1, 0, 0);
  EXPECT_EQ(price.alpha(), 1e-4);
  EXPECT_EQ(price.pending_kl(), 0.4);
  price.Update(0.2, 2, 0);
  EXPECT_NEAR(price.kl(), 0.1 * (0.6 / 2), 1e-12);
  EXPECT_EQ(price.pending_kl(), 0);
}

TEST(MemoryPrice, ToleranceFallsGeometrically) {
  ConsolidationOptions o = Options();
  EXPECT_EQ(MemoryPrice(o).Tolerance(0.7), 0.1) << "without a final tolerance it stays";
  o.final_tolerance = 0.001;
  const MemoryPrice price(o);
  EXPECT_DOUBLE_EQ(price.Tolerance(0), 0.1);
  EXPECT_DOUBLE_EQ(price.Tolerance(0.5), 0.01);
  EXPECT_DOUBLE_EQ(price.Tolerance(1), 0.001);
  EXPECT_DOUBLE_EQ(price.Tolerance(1.2), 0.001);
}

/// With policy lag a fast actor may hand in two rollouts for one update; once, the student's memory skipped the first.
TEST(Consolidation, TwoRolloutsOfOneActorAreReplayedInOrder) {
  const auto run = MakeTinyRun();
  Policy policy(MakePolicyOptions(*run));
  FlatParameters parameters(policy);
  std::vector<float> values = parameters.Read();
  Actor actor({.unroll = run->train.unroll_length}, MakeEnvs(*run, 4, envs::Purpose::kTrain, 0),
              std::make_shared<Policy>(policy.options()));
  std::vector<Rollout> rollouts;
  for (int k = 0; k < 2; ++k) rollouts.push_back(actor.Run({.version = 0, .values = values, .curriculum = 5}));

  WorkerPool pool(2);
  ShardedPolicy student(policy, parameters, pool);
  Optimizer optimizer({}, values.size());
  MemoryPrice price(run->consolidate.price);
  StudentMemory memories;
  const auto report =
      ConsolidationUpdate(rollouts, run->consolidate.price, 0, student, values, optimizer, price, memories);
  EXPECT_NEAR(report.value_loss, 0, 1e-9) << "the student still is its teacher";
  EXPECT_TRUE(torch::equal(memories.at(0)->Save().at("clock"), rollouts.back().end.memory->Save().at("clock")));
  EXPECT_EQ(memories.at(0)->resident(), rollouts.back().end.memory->resident());
}

TEST(LayerPrices, TheHighestLayerIsChargedFirstAndMore) {
  ConsolidationOptions options;
  options.layer_factor = 3;
  options.layer_delay = 0.2;
  EXPECT_EQ(LayerPrices(options, 0.5, 0, 3), (std::vector<double>{0, 0, 4.5}));
  EXPECT_EQ(LayerPrices(options, 0.5, 0.2, 3), (std::vector<double>{0, 1.5, 4.5}));
  EXPECT_EQ(LayerPrices(options, 0.5, 0.4, 3), (std::vector<double>{0.5, 1.5, 4.5}));
}

TEST(MemoryPrice, StartsAgainWhenAnotherLayerIsCharged) {
  ConsolidationOptions options;
  options.alpha_start = 1e-6;
  MemoryPrice price(options);
  price.Charge(1);
  for (int i = 0; i < 100; ++i) price.Update(0, 1, 0);
  const double grown = price.alpha();
  EXPECT_GT(grown, 2e-6);
  price.Charge(1);
  EXPECT_EQ(price.alpha(), grown);
  price.Charge(2);
  EXPECT_EQ(price.alpha(), 1e-6);
}

}  // namespace
}  // namespace lethe::agents
