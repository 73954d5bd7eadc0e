#include "agents/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "memory/expire_span.h"
#include "tests/agents/tiny_run.h"

namespace lethe::agents {
namespace {

using ::testing::HasSubstr;

/// The message of whatever reading these assignments throws; "" if nothing.
std::string ErrorOf(const std::vector<std::string>& assignments) {
  try {
    MakeRun(assignments);
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

TEST(RunOptions, DefaultsAreARun) {
  const auto run = MakeRun({});
  EXPECT_EQ(run->env.id, "Corridor-v0");
  EXPECT_EQ(run->memory.options->block, run->train.unroll_length);
}

TEST(RunOptions, ResolvesWhatFollowsFromOtherOptions) {
  const auto run = MakeRun({"memory.dim=48", "memory.heads=3", "memory.ramp=5", "train.unroll_length=20"});
  EXPECT_EQ(run->memory.options->dim, 48);
  EXPECT_EQ(run->memory.options->block, 20);
  EXPECT_EQ(run->loss.ramp, 5);
  EXPECT_EQ(run->loss.block, 20);
  EXPECT_EQ(run->consolidate.price.ramp, 5);
  const auto core = MakeRun({"memory.positions=4"})->memory.options->Make();
  EXPECT_EQ(std::dynamic_pointer_cast<memory::ExpireSpan>(core)->position_keys().size(2), 4);
}

TEST(RunOptions, TheIdDecidesWhichEnvironmentOptionsThereAre) {
  const auto run = MakeRun({"env.id=Corridor-4c-v0", "env.length_max=30"});
  EXPECT_EQ(run->env.params->Get("colors"), 4);
  EXPECT_EQ(run->env.params->Get("length_max"), 30);
  EXPECT_THAT(ErrorOf({"env.id=Coridor-v0"}), HasSubstr("Corridor-v0"));
  EXPECT_THAT(ErrorOf({"env.lenght_max=30"}), HasSubstr("did you mean `env.length_max`?"));
}

TEST(RunOptions, RulesBetweenOptionsAreChecked) {
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"train.num_envs=7", "train.actors=2"}, "train.num_envs: got 7, allowed: a multiple of train.actors = 2"},
      {{"memory.dim=10", "memory.heads=3"}, "memory option `heads`: got 3, allowed: a divisor of dim = 10"},
      {{"train.max_steps=0"}, "phases: none of them has steps, there is nothing to do"},
      {{"phases=learn consolidat"},
       "phases: got `consolidat`, allowed: any of clone, learn, consolidate, separated by "
       "spaces; did you mean `consolidate`?"},
      {{"consolidate.budget=6"}, "consolidate.budget: got 6, allowed: 0, or at least 7: with memory.ramp = 8"},
      {{"phases="}, "phases: none of them has steps"},
      {{"phases=learn", "clone.max_steps=5"}, "clone.max_steps: got 5, allowed: 0, since phases does not name clone"},
      {{"phases=clone consolidate"}, "phases: none of them has steps"},
      {{"curriculum.start=500"}, "curriculum.start: got 500, allowed 0 or 3..200 (env.length_max)"},
      {{"curriculum.start=2"}, "curriculum.start: got 2"},
      {{"curriculum.start=20", "curriculum.end=10"},
       "curriculum.end: got 10, allowed 0 or 20..200 (curriculum.start to env.length_max)"},
      {{"train.unroll_length=4096", "train.num_envs=4096", "train.max_policy_lag=9", "train.actors=2"},
       "train.unroll_length: got 4096: the 20 rollouts that may wait for the learner would take 8.05 GB, allowed: "
       "train.queue_gigabytes = 4"},
      {{"consolidate.initial_span=0.01", "memory.span_scale=logarithmic", "consolidate.max_steps=5"},
       "consolidate.initial_span: got 0.01; memory: no predictor gives spans of 2.56 steps; allowed: more than 8, less "
       "than 256"},
      {{"consolidate.initial_span=0.01", "memory.core=gru"},
       "consolidate.initial_span: got 0.01; memory: this core predicts no spans"},
      {{"env.id=RepeatPrevious-v0", "clone.teacher=scout"},
       "clone.teacher: got scout, allowed: oracle, since RepeatPrevious-v0 has no scout"},
      {{"env.id=Instruction-v0", "clone.accept_ties=true"},
       "clone.accept_ties: got true, allowed: false, but for clone.teacher = scout, which tells them"},
      {{"env.id=Instruction-v0", "clone.explain_weight=0.2"},
       "clone.explain_weight: got 0.2, allowed: 0, but for clone.teacher = scout, which can explain itself"},
      {{"env.id=RepeatPrevious-v0", "policy.cell_heads=1"},
       "policy.cell_heads: got 1, allowed: 0, since RepeatPrevious-v0 shows no cells"},
      {{"env.id=RepeatPrevious-v0", "policy.glance_heads=1"},
       "policy.glance_heads: got 1, allowed: 0, since RepeatPrevious-v0 shows no cells"},
      {{"memory.core=gru", "policy.glance_heads=1"},
       "policy.glance_heads: got 1, allowed: 0, since memory.core = gru has no layers to look between"},
      {{"memory.layers=1", "policy.glance_heads=1"},
       "policy.glance_heads: got 1, allowed: 0, since memory.core = expire_span has no layers to look between"},
      {{"consolidate.sharpen=2", "memory.span_scale=logarithmic"},
       "consolidate.sharpen: got 2, allowed: 1, but for memory.core = expire_span"},
      {{"consolidate.alpha_start=1e-6", "consolidate.alpha_min=1e-5"},
       "consolidate.alpha_start: got 1e-06, allowed: at least consolidate.alpha_min = 1e-05"},
      {{"consolidate.curriculum.start=500"}, "consolidate.curriculum.start: got 500, allowed 0 or 3..200"},
      {{"consolidate.stretch=true", "memory.span_scale=logarithmic"},
       "consolidate.stretch: got true, allowed: false, but for memory.core = expire_span with memory.span_scale = "
       "linear"},
      {{"env.length_min=50", "env.length_max=20"}, "length_max is 20; allowed: >= length_min, 50"},
      {{"memory.core=expire_spam"},
       "allowed: adaptive_span, compressive, expire_span, gru, lstm, none, transformer_xl; did you mean "
       "`expire_span`?"},
      {{"optimizer.kind=sgd"}, "allowed adam or rmsprop"},
  };
  for (const auto& [assignments, message] : cases) EXPECT_THAT(ErrorOf(assignments), HasSubstr(message));
}

TEST(RunOptions, YamlRoundTrip) {
  const auto run = MakeRun({"env.id=Corridor-8c-v0", "env.length_max=33", "seed=5", "optimizer.learning_rate=0.1",
                            "consolidate.optimizer.kind=rmsprop", "train.discount=0.987654321", "curriculum.start=8"});
  const std::string yaml = ToYaml(*run);
  const auto again = ReadRunOptions(configs::Document::FromText(yaml, "config.yaml"));
  EXPECT_EQ(ToYaml(*again), yaml);
  EXPECT_EQ(again->env.id, "Corridor-8c-v0");
  EXPECT_EQ(again->env.params->Get("length_max"), 33);
  EXPECT_EQ(again->loss.returns.discount, 0.987654321);
  EXPECT_EQ(again->consolidate.optimizer.kind, "rmsprop");
}

TEST(RunOptions, PolicyFitsTheEnvironment) {
  const auto run = MakeRun({});
  const PolicyOptions policy = MakePolicyOptions(*run);
  const auto envs = MakeEnvs(*run, 3, envs::Purpose::kTrain, 0);
  EXPECT_EQ(envs->size(), 3);
  EXPECT_EQ(policy.num_actions, envs->spec().num_actions);
  EXPECT_EQ(static_cast<int>(policy.vocabularies.size()), envs->num_tokens());
}

}  // namespace
}  // namespace lethe::agents
