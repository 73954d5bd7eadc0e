// Behavioural cloning: who acts, what is learnt, and what an oracle's rollouts hold.

#include "agents/cloning.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "agents/actor.h"
#include "agents/evaluate.h"
#include "agents/flat_parameters.h"
#include "tests/agents/tiny_run.h"

namespace lethe::agents {
namespace {

Rollout OracleRollout(const RunOptions& run, const std::shared_ptr<Policy>& policy) {
  Actor actor({.unroll = run.train.unroll_length, .acting = Acting::kOracle},
              MakeEnvs(run, 4, envs::Purpose::kTrain, 0), policy);
  const ParamVersion params{.version = 0, .values = FlatParameters(*policy).Read(), .curriculum = 5};
  actor.Run(params);
  return actor.Run(params);
}

TEST(Cloning, OraclesActAndRememberNothing) {
  const auto run = MakeTinyRun();
  const auto policy = std::make_shared<Policy>(MakePolicyOptions(*run));
  const Rollout rollout = OracleRollout(*run, policy);
  const auto envs = MakeEnvs(*run, 4, envs::Purpose::kTrain, 0);
  std::vector<uint8_t> observations(static_cast<size_t>(4 * rollout.tokens)), actions(4), start(4), ends(8);
  std::vector<float> rewards(4);
  envs->Reset(observations.data());
  for (int64_t t = 0; t < 2 * rollout.unroll; ++t) {
    envs->Oracle(actions.data());
    if (t >= rollout.unroll) {
      const size_t at = static_cast<size_t>((t - rollout.unroll) * 4);
      EXPECT_TRUE(std::equal(actions.begin(), actions.end(), rollout.actions.begin() + static_cast<std::ptrdiff_t>(at)))
          << "slot " << t;
    }
    envs->Step(actions.data(), {observations.data(), rewards.data(), ends.data(), ends.data() + 4, start.data()});
  }
  EXPECT_TRUE(rollout.head.empty());
  for (const int64_t resident : rollout.memory->resident()) EXPECT_EQ(resident, 0);
  EXPECT_EQ(rollout.end.acts_as_oracle, 1);
}

TEST(Cloning, WhoActsAfterAnOracleStartsNewEpisodes) {
  const auto run = MakeTinyRun();
  const auto policy = std::make_shared<Policy>(MakePolicyOptions(*run));
  const ParamVersion params{.version = 7, .values = FlatParameters(*policy).Read(), .curriculum = 5};
  const Rollout last = OracleRollout(*run, policy);
  Actor actor({.unroll = run->train.unroll_length}, MakeEnvs(*run, 4, envs::Purpose::kTrain, 0), policy);
  actor.Restore(last.end);
  const Rollout rollout = actor.Run(params);
  for (size_t row = 0; row < 4; ++row) EXPECT_EQ(rollout.episode_start[row], 1) << "row " << row;
  EXPECT_EQ(rollout.end.acts_as_oracle, 0);
  EXPECT_EQ(rollout.end.version, std::vector<int64_t>(4, 7)) << "no episode began with the oracle";
  EXPECT_FALSE(rollout.head.empty());
}

/// The cross-entropy before any update, against log-probabilities of the policy's own step face.
TEST(Cloning, LossIsTheCrossEntropyOfTheOraclesActions) {
  const auto run = MakeTinyRun();
  const auto policy = std::make_shared<Policy>(MakePolicyOptions(*run));
  FlatParameters parameters(*policy);
  Actor actor({.unroll = run->train.unroll_length, .acting = Acting::kOracle},
              MakeEnvs(*run, 4, envs::Purpose::kTrain, 0), policy);
  std::vector<float> values = parameters.Read();
  const ParamVersion params{.version = 0, .values = values, .curriculum = 5};
  WorkerPool pool(1);
  ShardedPolicy sharded(*policy, parameters, pool);
  Optimizer still({.learning_rate = 0}, values.size());
  StudentMemory memories;
  memory::StatePtr state = policy->core().Start(4);
  for (int i = 0; i < 3; ++i) {
    const std::vector<Rollout> rollouts = {actor.Run(params)};
    const UpdateReport report = CloningUpdate(rollouts, {}, {}, 0, sharded, values, still, memories);
    const Rollout& r = rollouts[0];
    PolicyStepper stepper(*policy, state, r.unroll);
    double nats = 0, agreeing = 0;
    for (int64_t t = 0; t < r.unroll; ++t) {
      const torch::Tensor head = stepper.Step(&r.observations[static_cast<size_t>(t * 4 * r.tokens)],
                                              &r.episode_start[static_cast<size_t>(t * 4)]);
      for (int64_t row = 0; row < 4; ++row) {
        const auto at = static_cast<size_t>(t * 4 + row);
        if (r.is_last[at] != 0) continue;
        const std::span<const float> logits{head.const_data_ptr<float>() + row * (r.num_actions + 1),
                                            static_cast<size_t>(r.num_actions)};
        nats -= LogProbability(logits, r.actions[at]);
        agreeing += std::max_element(logits.begin(), logits.end()) - logits.begin() == r.actions[at];
      }
    }
    state = stepper.memory().Finish();
    EXPECT_NEAR(report.policy_loss, nats / static_cast<double>(r.env_steps), 1e-5) << "rollout " << i;
    EXPECT_NEAR(report.agreement, agreeing / static_cast<double>(r.env_steps), 1e-12);
  }
}

/// A policy that acts while the scout advises it, and a batch of its own that takes the same actions, to ask the scout
/// again.
struct AdvisedScene {
  AdvisedScene(const RunOptions& run, ActorOptions asks)
      : policy(std::make_shared<Policy>(MakePolicyOptions(run))),
        parameters(*policy),
        values(parameters.Read()),
        params{.version = 0, .values = values},
        envs(MakeEnvs(run, 4, envs::Purpose::kTrain, 0)),
        loss(run.clone.loss) {
    asks.unroll = run.train.unroll_length, asks.acting = Acting::kAdvisedPolicy, asks.asks_scout = true;
    actor = std::make_unique<Actor>(asks, MakeEnvs(run, 4, envs::Purpose::kTrain, 0), policy);
    sharded = std::make_unique<ShardedPolicy>(*policy, parameters, pool);
    observations.resize(static_cast<size_t>(4 * envs->num_tokens()));
    envs->Reset(observations.data());
  }

  std::vector<Rollout> Act() {
    std::vector<Rollout> rollouts;
    rollouts.push_back(actor->Run(params));
    return rollouts;
  }
  void Step(const Rollout& r, int64_t slot) {
    envs->Step(&r.actions[static_cast<size_t>(4 * slot)],
               {observations.data(), rewards.data(), ends.data(), ends.data() + 4, start.data()});
  }
  /// What an update that changes nothing reports.
  UpdateReport Report(const std::vector<Rollout>& rollouts) {
    Optimizer still({.learning_rate = 0}, values.size());
    return CloningUpdate(rollouts, loss, {}, 0, *sharded, values, still, memories);
  }

  std::shared_ptr<Policy> policy;
  FlatParameters parameters;
  std::vector<float> values;
  ParamVersion params;
  std::unique_ptr<Actor> actor;
  std::unique_ptr<envs::EnvBatch> envs;
  WorkerPool pool{1};
  std::unique_ptr<ShardedPolicy> sharded;
  CloningOptions loss;
  StudentMemory memories;
  std::vector<uint8_t> observations, start = std::vector<uint8_t>(4), ends = std::vector<uint8_t>(8);
  std::vector<float> rewards = std::vector<float>(4);
};

TEST(Cloning, TheScoutTeachesWhereItIsAsked) {
  const auto run = MakeRun({"env.id=Instruction-Short-v0", "memory.dim=16", "memory.heads=2", "train.unroll_length=8",
                            "clone.teacher=scout", "clone.max_steps=1"});
  AdvisedScene scene(*run, {});
  std::vector<uint8_t> advice(4);
  for (int i = 0; i < 3; ++i) {
    const auto rollouts = scene.Act();
    const Rollout& r = rollouts[0];
    EXPECT_TRUE(r.ties.empty() && r.explanation.empty()) << "nobody asked";
    for (int64_t t = 0; t < r.unroll; ++t) {
      scene.envs->Scout(advice.data());
      EXPECT_TRUE(std::equal(advice.begin(), advice.end(), r.advice.begin() + 4 * t)) << "slot " << t;
      scene.Step(r, t);
    }
  }
}

std::unique_ptr<RunOptions> MakeExplainedRun(const std::vector<std::string>& more = {}) {
  std::vector<std::string> all = {"env.id=Instruction-Short-v0",
                                  "memory.dim=16",
                                  "memory.heads=2",
                                  "train.unroll_length=8",
                                  "train.actors=1",
                                  "train.num_envs=4",
                                  "phases=clone",
                                  "log.eval_episodes=0"};
  all.insert(all.end(), {"clone.teacher=scout", "clone.actor=policy", "clone.max_steps=400"});
  all.insert(all.end(), more.begin(), more.end());
  return MakeRun(all);
}

/// What the scout holds as good, as a batch of its own hears it; the loss and the agreement count all of it.
TEST(Cloning, WhateverTheScoutHoldsAsGoodIsRight) {
  const auto run = MakeExplainedRun({"clone.accept_ties=true"});
  AdvisedScene scene(*run, {.asks_ties = true});
  std::vector<uint8_t> advice(4), ties(4);
  int several = 0;
  for (int i = 0; i < 6; ++i) {
    const auto rollouts = scene.Act();
    const Rollout& r = rollouts[0];
    const auto shards = scene.sharded->Forward(rollouts, ActingStates(rollouts), false);
    double nats = 0, agreeing = 0;
    for (int64_t t = 0; t < r.unroll; ++t) {
      scene.envs->Scout(advice.data(), ties.data());
      for (int64_t row = 0; row < 4; ++row) {
        const auto at = static_cast<size_t>(4 * t + row);
        const uint8_t right = ties[static_cast<size_t>(row)];
        ASSERT_EQ(r.advice[at], advice[static_cast<size_t>(row)]) << "slot " << t;
        ASSERT_EQ(r.ties[at], right) << "slot " << t;
        if (r.is_last[at] != 0) continue;
        several += std::popcount(right) > 1;
        const auto logits = shards[0].Head(row, t).first(static_cast<size_t>(r.num_actions));
        double sum = 0;
        for (int k = 0; k < r.num_actions; ++k)
          if ((right >> k & 1) != 0) sum += std::exp(static_cast<double>(LogProbability(logits, k)));
        nats -= std::log(sum);
        agreeing += right >> (std::max_element(logits.begin(), logits.end()) - logits.begin()) & 1;
      }
      scene.Step(r, t);
    }
    EXPECT_EQ(RolloutBytes(r.rows, r.unroll, r.tokens, r.num_actions, 1),
              RolloutBytes(r.rows, r.unroll, r.tokens, r.num_actions, 0) + static_cast<double>(r.ties.size()));
    const UpdateReport report = scene.Report(rollouts);
    EXPECT_NEAR(report.policy_loss, nats / static_cast<double>(r.env_steps), 1e-5) << "rollout " << i;
    EXPECT_NEAR(report.agreement, agreeing / static_cast<double>(r.env_steps), 1e-12) << "rollout " << i;
  }
  EXPECT_GT(several, 4);
}

/// What the scout said in every slot, as a batch of its own that takes the same actions hears it; and the nats by which
/// the policy misses it, against its logits.
TEST(Cloning, TheScoutExplainsItselfWhereItIsAskedWhy) {
  const auto run = MakeExplainedRun({"clone.explain_weight=0.5"});
  AdvisedScene scene(*run, {.asks_why = true});
  const auto& told = scene.envs->spec().explanation;
  const size_t count = told.size();
  std::vector<uint8_t> advice(4), explanation(4 * count);
  for (int i = 0; i < 3; ++i) {
    const auto rollouts = scene.Act();
    const Rollout& r = rollouts[0];
    const auto shards = scene.sharded->Forward(rollouts, ActingStates(rollouts), false);
    const torch::Tensor logits = shards[0].output.explanation.detach();
    std::vector<double> nats(count);
    for (int64_t t = 0; t < r.unroll; ++t) {
      scene.envs->Scout(advice.data());
      scene.envs->Explain(explanation.data());
      for (int64_t row = 0; row < 4; ++row) {
        int64_t first = 0;
        for (size_t k = 0; k < count; ++k) {
          const uint8_t token = explanation[static_cast<size_t>(row) * count + k];
          EXPECT_EQ(r.explanation[static_cast<size_t>(t * 4 + row) * count + k], token) << "slot " << t;
          const int64_t size = told[k].vocabulary;
          const auto log_p = torch::log_softmax(logits[row][t].narrow(0, first, size).to(torch::kDouble), 0);
          if (r.is_last[static_cast<size_t>(t * 4 + row)] == 0) nats[k] -= log_p[token].item<double>();
          first += size;
        }
      }
      scene.Step(r, t);
    }
    const auto spoken = static_cast<double>(r.explanation.size());
    EXPECT_EQ(RolloutBytes(r.rows, r.unroll, r.tokens, r.num_actions, static_cast<int64_t>(count)),
              RolloutBytes(r.rows, r.unroll, r.tokens, r.num_actions, 0) + spoken);
    const UpdateReport report = scene.Report(rollouts);
    ASSERT_EQ(report.explanation_loss.size(), count);
    for (size_t k = 0; k < count; ++k)
      EXPECT_NEAR(report.explanation_loss[k], nats[k] / static_cast<double>(r.env_steps), 1e-5) << "token " << k;
  }
}

/// Of the same few steps again and again; without a weight nothing is asked and nothing reported.
TEST(Cloning, ExplanationsAreLearnt) {
  const auto learn = [](const std::string& weight) {
    const auto run = MakeExplainedRun({"clone.explain_weight=" + weight});
    torch::manual_seed(5);
    const auto policy = std::make_shared<Policy>(MakePolicyOptions(*run));
    const ParamVersion params{.version = 0, .values = FlatParameters(*policy).Read()};
    Actor actor({.unroll = 8, .acting = Acting::kAdvisedPolicy, .asks_scout = true, .asks_why = weight != "0"},
                MakeEnvs(*run, 4, envs::Purpose::kTrain, 0), policy);
    const std::vector<Rollout> rollouts = {actor.Run(params)};
    FlatParameters parameters(*policy);  // after the actor's, whose weights were the policy's until now
    EXPECT_EQ(rollouts[0].explanation.empty(), weight == "0");
    WorkerPool pool(1);
    ShardedPolicy sharded(*policy, parameters, pool);
    std::vector<float> values = parameters.Read();
    Optimizer descent({.kind = "adam", .learning_rate = 1e-2}, values.size());
    StudentMemory memories;
    double first = 0, last = 0;
    for (int i = 0; i < 150; ++i) {
      last = CloningUpdate(rollouts, run->clone.loss, {}, 0, sharded, values, descent, memories).ExplanationLoss();
      if (i == 0) first = last;
      parameters.Write(values);
    }
    return std::pair(first, last);
  };
  const auto [first, last] = learn("0.5");
  EXPECT_NEAR(first, 2 * (std::log(14.) + std::log(9.) + 2 * std::log(16.)), 0.5) << "knows nothing at first";
  EXPECT_LT(last, first / 4);
  EXPECT_EQ(learn("0"), std::pair(0., 0.));
}

/// Until the first tie both trainings are one. In the update with it only what counts as right differs.
TEST(Cloning, ATrainingAcceptsTiesWhereItIsTold) {
  const auto reports = [](const std::string& accepts) {
    const auto run = MakeExplainedRun({"clone.accept_ties=" + accepts, "log.interval_updates=1"});
    std::vector<UpdateReport> all;
    TrainerHooks hooks;
    hooks.log = [&](const TrainingStatus& status) { all.push_back(status.update); };
    TrainedParameters(*run, std::move(hooks));
    return all;
  };
  const auto with = reports("true"), without = reports("false");
  const auto [first, same] = std::ranges::mismatch(
      with, without, [](const UpdateReport& a, const UpdateReport& b) { return a.policy_loss == b.policy_loss; });
  ASSERT_NE(first, with.end()) << "no tie was accepted";
  EXPECT_LT(first->policy_loss, same->policy_loss);
  EXPECT_GE(first->agreement, same->agreement);
  EXPECT_EQ(first->value_loss, same->value_loss);
}

TEST(Cloning, ATrainingReportsWhatItMissesOfTheExplanation) {
  const auto run = MakeExplainedRun({"clone.explain_weight=0.5", "log.interval_updates=1"});
  double explanation = 0;
  TrainerHooks hooks;
  hooks.log = [&](const TrainingStatus& status) { explanation = status.update.ExplanationLoss(); };
  TrainedParameters(*run, std::move(hooks));
  EXPECT_NEAR(explanation, 2 * (std::log(14.) + std::log(9.) + 2 * std::log(16.)), 5) << "after a few updates";
}

/// What the oracle would do in the states that the policy got into, which a batch of its own that takes the same
/// actions finds again; learnt with the memory that the policy acted with.
TEST(Cloning, AnAdvisedPolicyActsAndLearnsTheAdvice) {
  const auto run = MakeTinyRun();
  const auto policy = std::make_shared<Policy>(MakePolicyOptions(*run));
  FlatParameters parameters(*policy);
  std::vector<float> values = parameters.Read();
  const ParamVersion params{.version = 0, .values = values, .curriculum = 5};
  Actor actor({.unroll = run->train.unroll_length, .acting = Acting::kAdvisedPolicy},
              MakeEnvs(*run, 4, envs::Purpose::kTrain, 0), policy);
  const auto envs = MakeEnvs(*run, 4, envs::Purpose::kTrain, 0);
  WorkerPool pool(1);
  ShardedPolicy sharded(*policy, parameters, pool);
  Optimizer still({.learning_rate = 0}, values.size());
  StudentMemory memories;
  std::vector<uint8_t> observations, advice(4), start(4), ends(8);
  std::vector<float> rewards(4);
  int64_t followed = 0;
  for (int i = 0; i < 3; ++i) {
    const std::vector<Rollout> rollouts = {actor.Run(params)};
    const Rollout& r = rollouts[0];
    if (i == 0) {
      observations.resize(static_cast<size_t>(4 * r.tokens));
      envs->Reset(observations.data());
    }
    double nats = 0;
    for (int64_t t = 0; t < r.unroll; ++t) {
      envs->Oracle(advice.data());
      for (int64_t row = 0; row < 4; ++row) {
        const auto at = static_cast<size_t>(t * 4 + row);
        EXPECT_EQ(r.advice[at], advice[static_cast<size_t>(row)]) << "slot " << t << ", row " << row;
        if (r.is_last[at] != 0) continue;
        const std::span<const float> logits{r.head.data() + static_cast<int64_t>(at) * (r.num_actions + 1),
                                            static_cast<size_t>(r.num_actions)};
        nats -= LogProbability(logits, r.advice[at]);
        followed += r.actions[at] == r.advice[at];
      }
      envs->Step(&r.actions[static_cast<size_t>(t * 4)],
                 {observations.data(), rewards.data(), ends.data(), ends.data() + 4, start.data()});
    }
    const UpdateReport report = CloningUpdate(rollouts, {}, {}, 0, sharded, values, still, memories);
    EXPECT_NEAR(report.policy_loss, nats / static_cast<double>(r.env_steps), 1e-5) << "rollout " << i;
    EXPECT_TRUE(memories.empty()) << "the policy's own memory comes with the rollout";
    const double bytes = RolloutBytes(r.rows, r.unroll, r.tokens, r.num_actions, 0);
    EXPECT_EQ(bytes, static_cast<double>(r.observations.size() + r.episode_start.size() + r.is_last.size() +
                                         r.actions.size() + r.advice.size() + r.terminated.size() + r.truncated.size() +
                                         sizeof(float) * (r.rewards.size() + r.head.size())));
  }
  EXPECT_LT(followed, 3 * 4 * run->train.unroll_length / 2) << "it is the policy that acts";
}

class LearnCloning : public testing::TestWithParam<std::string> {};

TEST_P(LearnCloning, OracleOfAShortCorridor) {
  const auto run =
      MakeRun({"env.length_max=6", "memory.dim=32", "memory.span_limit=64", "memory.initial_span=0.9",
               "train.num_envs=16", "train.unroll_length=16", "train.max_steps=0", "clone.max_steps=200000",
               "clone.optimizer.learning_rate=2e-3", "log.live_seconds=0", "clone.actor=" + GetParam()});
  EvaluationOptions evaluation;
  evaluation.episodes = 500;
  EXPECT_GE(Evaluate(*run, TrainedParameters(*run), evaluation).score, 0.95);
}

INSTANTIATE_TEST_SUITE_P(Actors, LearnCloning, testing::Values("oracle", "policy"),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace lethe::agents
