// An episode remembers what a policy saw: the same attention as the memory's other face gives, at any step, in any
// order.

#include "agents/episode.h"

#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "agents/flat_parameters.h"
#include "memory/banked_transformer.h"
#include "memory/compressive.h"
#include "memory/kernels/span_mask.h"
#include "tests/agents/tiny_run.h"
#include "tests/memory/close.h"

namespace lethe::agents {
namespace {

using torch::Tensor;

/// Corridors so long that 50 random steps do not end them, unrolls of 8 steps. The core's options come on top.
std::unique_ptr<RunOptions> LongRun(const std::vector<std::string>& core) {
  std::vector<std::string> all = {"env.length_min=60", "env.length_max=80",     "memory.dim=16",
                                  "train.num_envs=8",  "train.unroll_length=8", "consolidate.max_steps=0"};
  all.insert(all.end(), core.begin(), core.end());
  return MakeRun(all);
}

const std::vector<std::string> kExpireSpan = {"memory.ffn=32", "memory.heads=2", "memory.span_limit=24",
                                              "memory.ramp=4"};

/// Weights off their starting values, so that no two steps are remembered alike.
std::shared_ptr<const FixedPolicy> RandomPolicy(std::shared_ptr<const RunOptions> run, uint64_t seed = 3) {
  torch::manual_seed(seed);
  Policy policy(MakePolicyOptions(*run));
  {
    const torch::NoGradGuard no_grad;
    for (Tensor& p : policy.parameters()) p += 0.2 * torch::randn(p.sizes());
    policy.core().ClampParameters();
  }
  return std::make_shared<FixedPolicy>(run, FlatParameters(policy).Read(), 1'000);
}

std::unique_ptr<envs::EnvBatch> FirstLevel(const RunOptions& run, uint64_t first_row = 7) {
  auto env = MakeEnvs(run, 1, envs::Purpose::kEvaluate, first_row);
  std::vector<uint8_t> observation(static_cast<size_t>(env->num_tokens()));
  env->Reset(observation.data());
  return env;
}

/// Threads of LibTorch's own only wait for each other at these sizes, long where others want the cores too.
class OneThread {
 public:
  OneThread() { at::set_num_threads(1); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;
  ~OneThread() { at::set_num_threads(before_); }

 private:
  const int before_ = at::get_num_threads();
};

constexpr int64_t kMuch = int64_t{1} << 30, kLittle = 1;

std::unique_ptr<PlayedEpisode> Begin(const std::shared_ptr<const FixedPolicy>& policy, uint64_t number = 7,
                                     int64_t bytes = kMuch) {
  return std::make_unique<PlayedEpisode>(FirstLevel(*policy->options), policy, 11, number, bytes);
}

void Play(PlayedEpisode& episode, int64_t steps, Chooser chooser = Chooser::kSample) {
  for (int64_t step = 0; step < steps && !episode.ended(); ++step) episode.Take(episode.Choose(chooser));
}

void ExpectSameBits(const std::vector<LayerMemories>& got, const std::vector<LayerMemories>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t l = 0; l < want.size(); ++l) {
    EXPECT_EQ(got[l].heads, want[l].heads);
    EXPECT_EQ(got[l].steps, want[l].steps);
    EXPECT_EQ(got[l].spans, want[l].spans);
    EXPECT_EQ(got[l].masks, want[l].masks);
    EXPECT_EQ(got[l].weights, want[l].weights);
  }
}

/// What the policy made of a step, and what was done.
void ExpectSameStep(const EpisodeStep& got, const EpisodeStep& want) {
  EXPECT_EQ(got.observation, want.observation);
  EXPECT_EQ(got.action, want.action);
  EXPECT_EQ(got.reward, want.reward);
  EXPECT_EQ(got.probabilities, want.probabilities);
  EXPECT_EQ(got.value, want.value);
  EXPECT_EQ(got.living, want.living);
  EXPECT_EQ(got.spans, want.spans);
}

/// The whole episode as one block.
struct Block {
  Tensor observations, starts, head;

  explicit Block(const PlayedEpisode& episode) {
    std::vector<uint8_t> tokens;
    for (int64_t step = 0; step <= episode.newest(); ++step)
      tokens.insert(tokens.end(), episode.At(step).observation.begin(), episode.At(step).observation.end());
    const int64_t steps = episode.newest() + 1;
    observations = torch::tensor(tokens, torch::kByte).view({steps, 1, -1});
    starts = torch::zeros({1, steps}, torch::kByte);
    starts.select(1, 0).fill_(1);
    const torch::NoGradGuard no_grad;
    const Policy& policy = *episode.policy()->policy;
    head = policy.Forward(observations, starts, policy.core().Start(1)).head[0];
  }
};

void ExpectHeadOf(const PlayedEpisode& episode, const Block& block) {
  const int64_t actions = episode.spec().num_actions;
  const Tensor probabilities = block.head.slice(1, 0, actions).softmax(1), values = block.head.select(1, actions);
  for (int64_t step = 0; step <= episode.newest(); ++step) {
    const EpisodeStep& at = episode.At(step);
    EXPECT_NEAR(at.value, values[step].item<float>(), 1e-5) << step;
    memory::ExpectClose(torch::tensor(at.probabilities), probabilities[step], 1e-5, "probabilities");
  }
}

struct CoreCase {
  const char* name;
  std::vector<std::string> options;
};

class PlayedEpisodeMemories : public testing::TestWithParam<CoreCase> {
 protected:
  const OneThread one_thread_;
  std::shared_ptr<const FixedPolicy> policy_ = RandomPolicy(LongRun(GetParam().options));
};

/// Against BankedTransformer::ForwardTraced; steps, spans, masks and counts by the formulas of the paper.
TEST_P(PlayedEpisodeMemories, AreThoseOfOneBlock) {
  const auto episode = Begin(policy_);
  Play(*episode, 50, Chooser::kRandom);
  ASSERT_EQ(episode->newest(), 50);
  const Block block(*episode);
  ExpectHeadOf(*episode, block);

  const torch::NoGradGuard no_grad;
  const memory::Core& whole = policy_->policy->core();
  const auto& core = dynamic_cast<const memory::BankedTransformer&>(whole.Body());
  memory::Noise evaluation(0);
  const memory::AttentionConstants constants = core.Constants(evaluation);
  memory::BankedTransformer::LayerPasses passes;
  Tensor x = policy_->policy->encoder().Forward(block.observations);
  if (const auto front = whole.named_children().find("front"); front != nullptr) {
    const auto cell = std::dynamic_pointer_cast<memory::Core>(*front);
    x = x + torch::linear(cell->Forward(x, block.starts, cell->Start(1)).y, whole.named_parameters()["join"]);
  }
  core.ForwardTraced(x, block.starts, core.Start(1), 0, false, &passes);
  bool some_expired = false;
  for (int64_t step = 0; step <= episode->newest(); ++step) {
    SCOPED_TRACE(step);
    const auto& layers = episode->MemoriesAt(step);
    ASSERT_EQ(layers.size(), passes.size());
    for (size_t l = 0; l < layers.size(); ++l) {
      const LayerMemories& m = layers[l];
      const Tensor spans = passes[l].span[0], weights = passes[l].detail.weights[0].select(1, step);  // [heads, T]
      std::vector<int64_t> alive;
      std::vector<double> masks, lengths;
      for (int64_t j = 0; j < step; ++j) {
        const double span = spans[j].item<double>(), age = static_cast<double>(step - j);
        const double mask = memory::SpanMask(span - age, constants.ramp);
        if (mask > 0 && age <= constants.window) alive.push_back(j), masks.push_back(mask), lengths.push_back(span);
      }
      some_expired = some_expired || static_cast<int64_t>(alive.size()) < step;
      ASSERT_EQ(m.steps, alive);
      EXPECT_EQ(static_cast<int64_t>(alive.size()), passes[l].detail.living[0][step].item<int32_t>());
      EXPECT_EQ(static_cast<int64_t>(alive.size()), episode->At(step).living[l]);
      EXPECT_THAT(m.spans, testing::Pointwise(testing::DoubleNear(1e-4), lengths));
      EXPECT_THAT(m.masks, testing::Pointwise(testing::DoubleNear(1e-4), masks));
      ASSERT_EQ(m.heads, weights.size(0));
      if (alive.empty()) continue;
      const Tensor want = weights.index_select(1, torch::tensor(alive));
      memory::ExpectClose(torch::tensor(m.weights).view(want.sizes()), want, 1e-5, "weights");
    }
    if (core.PredictsSpans()) {
      EXPECT_NEAR(episode->At(step).spans[1], passes[1].span[0][step].item<double>(), 1e-4);
    }
  }
  EXPECT_TRUE(some_expired);
}

/// Asked for at once, later, in any order, with room for everything or for nothing.
TEST_P(PlayedEpisodeMemories, AreTheSameBitsWheneverAsked) {
  const auto live = Begin(policy_), later = Begin(policy_), poor = Begin(policy_, 7, kLittle),
             narrow = Begin(policy_, 7, 7'000), fair = Begin(policy_, 7, 40'000);
  std::vector<std::vector<LayerMemories>> seen = {live->MemoriesAt(0)};
  for (int64_t step = 0; step < 44; ++step) {
    live->Take(live->Choose(Chooser::kSample));
    seen.push_back(live->MemoriesAt(step + 1));
    for (PlayedEpisode* other : {later.get(), poor.get(), narrow.get(), fair.get()})
      other->Take(other->Choose(Chooser::kSample));
    narrow->MemoriesAt(step + 1);
    if (step % 7 == 3) fair->MemoriesAt(step + 1), poor->MemoriesAt(step / 2);
  }
  for (const int64_t step : {44, 43, 41, 42, 0, 8, 7, 31, 32, 33, 44, 16, 40, 5}) {
    SCOPED_TRACE(step);
    for (PlayedEpisode* other : {live.get(), later.get(), poor.get(), narrow.get(), fair.get()}) {
      ExpectSameBits(other->MemoriesAt(step), seen[static_cast<size_t>(step)]);
      ExpectSameStep(other->At(step), live->At(step));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Cores, PlayedEpisodeMemories,
                         testing::Values(CoreCase{"fused", kExpireSpan},
                                         CoreCase{"gates",
                                                  {"memory.ffn=32", "memory.heads=2", "memory.span_limit=24",
                                                   "memory.ramp=4", "memory.gates=true"}},
                                         CoreCase{"fronted",
                                                  {"memory.ffn=32", "memory.heads=2", "memory.span_limit=24",
                                                   "memory.ramp=4", "memory.front=gru", "policy.last_action=true"}},
                                         CoreCase{"transformer_xl",
                                                  {"memory.core=transformer_xl", "memory.ffn=32", "memory.heads=2",
                                                   "memory.memory_length=13"}},
                                         CoreCase{"adaptive_span",
                                                  {"memory.core=adaptive_span", "memory.ffn=32", "memory.heads=2",
                                                   "memory.span_limit=20", "memory.ramp=6", "memory.initial_ratio=1"}}),
                         [](const auto& core) { return std::string(core.param.name); });

/// Compressed memories stand at the first of their steps.
TEST(PlayedEpisode, CompressedMemoriesComeBeforeTheStepsThatAreWhole) {
  const OneThread one_thread;
  const auto policy = RandomPolicy(LongRun({"memory.core=compressive", "memory.ffn=32", "memory.heads=2",
                                            "memory.memory_length=6", "memory.slots=3", "memory.rate=2"}));
  const auto episode = Begin(policy), poor = Begin(policy, 7, kLittle);
  Play(*episode, 40), Play(*poor, 40);
  ExpectSameBits(poor->MemoriesAt(38), episode->MemoriesAt(38));
  for (int64_t step = 40; step >= 0; --step) {
    SCOPED_TRACE(step);
    for (const LayerMemories& layer : episode->MemoriesAt(step)) {
      EXPECT_EQ(static_cast<int32_t>(layer.steps.size()), episode->At(step).living[0]);
      EXPECT_TRUE(std::is_sorted(layer.steps.begin(), layer.steps.end()));
      double sum = 0;
      for (const float weight : layer.weights) sum += weight;
      EXPECT_NEAR(sum, step > 0 ? static_cast<double>(layer.heads) : 0, 1e-5);
    }
  }
  const auto& steps = episode->MemoriesAt(21)[0].steps;  // ages 1..6, the group of age 6, and three before it
  EXPECT_THAT(steps, testing::ElementsAre(8, 10, 12, 14, 15, 16, 17, 18, 19, 20));
}

TEST(PlayedEpisode, MemoriesThatAreNotMadeOfStepsAreNotShown) {
  for (const char* core : {"memory.core=gru", "memory.core=lstm", "memory.core=none"}) {
    const auto episode = Begin(RandomPolicy(LongRun({core})));
    Play(*episode, 20);
    ExpectHeadOf(*episode, Block(*episode));
    EXPECT_TRUE(episode->MemoriesAt(3).empty());
    EXPECT_TRUE(episode->At(3).living.empty());
    EXPECT_TRUE(episode->At(3).spans.empty());
    EXPECT_EQ(episode->BytesPerMemory(), 0);
  }
}

TEST(PlayedEpisode, BytesPerMemoryAreThoseOfTheState) {
  const auto policy = RandomPolicy(LongRun(kExpireSpan));
  const auto episode = Begin(policy);
  PolicyStepper stepper(*policy->policy, policy->policy->core().Start(1), 1);
  const uint8_t start = 1;
  stepper.Step(episode->At(0).observation.data(), &start);
  const auto state = stepper.memory().Finish();
  ASSERT_THAT(state->resident(), testing::ElementsAre(1, 1));
  EXPECT_EQ(episode->BytesPerMemory() * 2, state->bytes());
}

/// The value of the last observation is what training bootstraps from where the clock ran out.
TEST(PlayedEpisode, ThePolicyLooksAtTheLastObservationToo) {
  const auto policy = RandomPolicy(MakeTinyRun({"env.max_steps=11"}));
  const auto episode = Begin(policy);
  while (!episode->ended()) episode->Take(0);
  ASSERT_TRUE(episode->truncated());
  ASSERT_EQ(episode->newest(), 11);
  EXPECT_EQ(episode->At(11).action, -1);
  ExpectHeadOf(*episode, Block(*episode));
  EXPECT_THAT(episode->MemoriesAt(11)[0].steps, testing::Contains(10));
}

TEST(DeterminismPlayedEpisode, SeedAndNumberDecideAll) {
  const auto policy = RandomPolicy(LongRun(kExpireSpan));
  for (const Chooser chooser : {Chooser::kSample, Chooser::kRandom}) {
    const auto one = Begin(policy), again = Begin(policy), other = Begin(policy, 8);
    Play(*one, 40, chooser), Play(*again, 40, chooser), Play(*other, 40, chooser);
    EXPECT_EQ(one->level_json(), other->level_json());
    bool differs = false;
    for (int64_t step = 0; step <= 40; ++step) {
      ExpectSameStep(again->At(step), one->At(step));
      differs = differs || one->At(step).action != other->At(step).action;
    }
    EXPECT_TRUE(differs);
  }
}

/// Looking around between steps draws nothing.
TEST(DeterminismPlayedEpisode, AChoiceIsAFunctionOfTheStep) {
  const auto policy = RandomPolicy(LongRun(kExpireSpan));
  const auto one = Begin(policy), restless = Begin(policy, 7, kLittle);
  for (int64_t step = 0; step < 30; ++step) {
    for (const Chooser chooser : {Chooser::kRandom, Chooser::kGreedy, Chooser::kOracle, Chooser::kSample})
      EXPECT_EQ(restless->Choose(chooser), one->Choose(chooser));
    restless->MemoriesAt(step / 3), restless->MemoriesAt(step);
    const int action = restless->Choose(Chooser::kSample);
    EXPECT_EQ(action, one->Choose(Chooser::kSample));
    one->Take(action), restless->Take(action);
  }
}

TEST(PlayedEpisode, ChoosersDoWhatTheySay) {
  const auto policy = RandomPolicy(LongRun(kExpireSpan));
  const auto episode = Begin(policy);
  std::vector<int> counts(static_cast<size_t>(episode->spec().num_actions));
  for (int64_t step = 0; step < 60; ++step) {
    const auto& p = episode->At(step).probabilities;
    EXPECT_EQ(episode->Choose(Chooser::kGreedy), std::max_element(p.begin(), p.end()) - p.begin());
    const int action = episode->Choose(Chooser::kRandom);
    ++counts[static_cast<size_t>(action)];
    episode->Take(action);
  }
  EXPECT_THAT(counts, testing::Each(testing::Ge(5)));
}

TEST(PlayedEpisode, WithoutAPolicyTheOracleSolvesIt) {
  PlayedEpisode episode(FirstLevel(*MakeTinyRun()), nullptr, 11, 7);
  EXPECT_EQ(episode.score(), 0);
  EXPECT_TRUE(episode.metrics().empty());
  EXPECT_TRUE(episode.At(0).is_cue);
  EXPECT_FALSE(episode.At(0).picture.empty());
  EXPECT_THROW(episode.Choose(Chooser::kSample), std::logic_error);
  EXPECT_THROW(episode.Choose(Chooser::kGreedy), std::logic_error);
  Play(episode, 100, Chooser::kOracle);
  EXPECT_TRUE(episode.terminated());
  EXPECT_FALSE(episode.truncated());
  EXPECT_EQ(episode.score(), 1);
  EXPECT_EQ(episode.metrics().size(), episode.spec().metric_names.size());
  EXPECT_EQ(episode.return_until(0), 0);
  EXPECT_EQ(episode.return_until(episode.newest()), 1);
  EXPECT_EQ(episode.At(episode.newest() - 1).reward, 1);
  EXPECT_EQ(episode.policy(), nullptr);
  EXPECT_TRUE(episode.At(0).probabilities.empty());
  EXPECT_TRUE(episode.MemoriesAt(0).empty());
  EXPECT_THROW(episode.Take(0), std::logic_error) << "it has ended";
}

TEST(PlayedEpisode, RefusesWhatDoesNotFit) {
  const auto policy = RandomPolicy(MakeTinyRun());
  const auto episode = Begin(policy);
  EXPECT_THROW(episode->Take(4), std::invalid_argument);
  EXPECT_THROW(episode->Take(-1), std::invalid_argument);
  EXPECT_EQ(episode->newest(), 0);
  EXPECT_THROW(episode->At(1), std::out_of_range);
  EXPECT_THROW(episode->MemoriesAt(1), std::out_of_range);
  EXPECT_THROW(PlayedEpisode(MakeEnvs(*policy->options, 2, envs::Purpose::kEvaluate, 0), policy, 1, 0),
               std::invalid_argument);
  EXPECT_THROW(PlayedEpisode(FirstLevel(*MakeRun({"env.id=RepeatPrevious-v0"})), policy, 1, 0), std::invalid_argument);
  EXPECT_THROW(FixedPolicy(policy->options, std::vector<float>(7), 0), std::invalid_argument);
}

}  // namespace
}  // namespace lethe::agents
