// What every memory core promises, asked of all that are registered: none is named here.

#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "memory/torch.h"
#include "tests/memory/every_core.h"

namespace lethe::memory {
namespace {

using torch::Tensor;

void ExpectStepsEqualBlocks(const Core& core, torch::Dtype dtype, double tolerance) {
  const torch::NoGradGuard no_grad;
  StatePtr block_state = core.Start(4), step_state = block_state;
  uint64_t seed = 50;
  for (const int64_t steps : {9, 1, 6, 13, 5}) {
    SCOPED_TRACE("unroll of " + std::to_string(steps));
    const CoreBlock block = RandomBlock(core, 4, steps, 0.06, ++seed, dtype);
    const BlockOutput whole = core.Forward(block.x, block.starts, block_state, 0, true);
    const auto stepper = core.Begin(step_state, steps);
    const CoreSteps single = TakeCoreSteps(*stepper, block);
    ExpectClose(single.y, whole.y, tolerance, "y");
    if (!single.living_sum.empty()) {
      EXPECT_EQ(single.living_sum, whole.living.sum);
      EXPECT_EQ(single.living_max, whole.living.max);
    }
    ExpectSameState(single.state, whole.state, tolerance);
    block_state = whole.state, step_state = single.state;
  }
}

TEST_P(EveryCore, StepEqualsBlockInFloat64) {
  ForVariants(1, torch::kDouble,
              [](const Core& core, const CoreVariant&) { ExpectStepsEqualBlocks(core, torch::kDouble, 1e-9); });
}

TEST_P(EveryCore, StepEqualsBlockInFloat32) {
  ForVariants(2, torch::kFloat,
              [](const Core& core, const CoreVariant&) { ExpectStepsEqualBlocks(core, torch::kFloat, 1e-5); });
}

TEST_P(EveryCore, StepEqualsBlockWithTheDefaults) {
  torch::manual_seed(3);
  const std::shared_ptr<Core> core = info().make_options()->Make();
  ExpectStepsEqualBlocks(*core, torch::kFloat, 1e-5);
}

TEST_P(EveryCore, AnUnrollMayEndEarlyButNotLate) {
  const auto core = Small(4);
  const StatePtr state = LivedState(*core, 2, 5);
  const CoreBlock block = RandomBlock(*core, 2, 3, 0, 6);
  const auto early = core->Begin(state, 40);
  const torch::NoGradGuard no_grad;
  const CoreSteps steps = TakeCoreSteps(*early, block);
  ExpectSameState(steps.state, core->Forward(block.x, block.starts, state, 0, true).state, 1e-9);
  const auto full = core->Begin(state, 3);
  TakeCoreSteps(*full, block);
  const Tensor start = torch::zeros({2}, torch::kByte), x = block.x.select(1, 0).contiguous();
  EXPECT_THROW(full->Step(x, start.const_data_ptr<uint8_t>()), std::logic_error);
}

/// A number that depends on all that Forward gives.
Tensor Loss(const Core& core, const CoreBlock& block, const StatePtr& state, const Tensor& weights) {
  const BlockOutput out = core.Forward(block.x, block.starts, state, 1);
  Tensor loss = (out.y * weights).sum();
  if (out.span_mean.defined()) loss = loss + 0.3 * out.span_mean.sum() + 0.1 * out.ramp_sum.sum();
  return out.aux_loss.defined() ? loss + out.aux_loss : loss;
}

/// The derivative along a random direction, by gradient and by central differences.
void ExpectGradient(const std::string& name, Tensor x, const Tensor& gradient, const std::function<double()>& loss) {
  const torch::NoGradGuard no_grad;
  constexpr double kStep = 1e-6;
  for (int direction = 0; direction < 2; ++direction) {
    const Tensor toward = torch::randn(x.sizes(), torch::kDouble), before = x.clone();
    x.copy_(before + kStep * toward);
    const double above = loss();
    x.copy_(before - kStep * toward);
    const double below = loss();
    x.copy_(before);
    const double expected = (above - below) / (2 * kStep),
                 got = gradient.defined() ? (gradient * toward).sum().item<double>() : 0;
    EXPECT_NEAR(got, expected, 2e-7 * (1 + std::abs(expected))) << name;
  }
}

TEST_P(EveryCore, GradientsAreThoseOfFiniteDifferences) {
  ForVariants(7, torch::kDouble, [](const Core& core, const CoreVariant&) {
    const StatePtr state = LivedState(core, 3, 8);
    CoreBlock block =
        RandomBlock(core, 3, 12, 0.05, 9);  // longer than the memory: what is made in the block is read too
    block.x.requires_grad_(true);
    const Tensor weights = torch::randn(block.x.sizes(), torch::kDouble);
    Loss(core, block, state, weights).backward();
    const auto loss = [&] { return Loss(core, block, state, weights).item<double>(); };
    for (const auto& parameter : core.named_parameters())
      if (parameter->numel() > 0) ExpectGradient(parameter.key(), *parameter, parameter->grad(), loss);
    ExpectGradient("x", block.x, block.x.grad(), loss);
    EXPECT_GT(block.x.grad().abs().max().item<double>(), 0);
  });
}

TEST_P(EveryCore, RestoreIsTheInverseOfSave) {
  const torch::NoGradGuard no_grad;
  ForVariants(10, torch::kFloat, [](const Core& core, const CoreVariant&) {
    const StatePtr state = LivedState(core, 4, 11, torch::kFloat), restored = core.Restore(state->Save());
    ExpectSameBits(restored, state);
    EXPECT_EQ(restored->rows(), 4);
    EXPECT_EQ(restored->resident(), state->resident());
    EXPECT_EQ(restored->bytes(), state->bytes());
    const CoreBlock block = RandomBlock(core, 4, 6, 0.1, 12, torch::kFloat);
    const BlockOutput want = core.Forward(block.x, block.starts, state, 0, true),
                      got = core.Forward(block.x, block.starts, restored, 0, true);
    EXPECT_TRUE(SameBits(got.y, want.y));
    ExpectSameBits(got.state, want.state);
  });
}

TEST_P(EveryCore, GatherPicksRowsAndEmptyOnes) {
  const torch::NoGradGuard no_grad;
  ForVariants(13, torch::kDouble, [](const Core& core, const CoreVariant&) {
    const StatePtr state = LivedState(core, 3, 14);
    const StatePtr turned = core.Gather(state, {2, 0, 1});
    ExpectSameBits(core.Gather(turned, {1, 2, 0}), state);
    ExpectSameBits(core.Gather(state, {-1, -1}), core.Start(2));
    EXPECT_EQ(core.Gather(state, {})->rows(), 0);
    const CoreBlock block = RandomBlock(core, 3, 6, 0.1, 15);
    const Tensor order = torch::tensor({2, 0, 1}, torch::kLong);
    const Tensor want = core.Forward(block.x, block.starts, state).y.index_select(0, order);
    ExpectClose(core.Forward(block.x.index_select(0, order), block.starts.index_select(0, order), turned).y, want,
                1e-12, "y");
  });
}

TEST_P(EveryCore, AStateIsNotChangedByWhoReadsIt) {
  const torch::NoGradGuard no_grad;
  ForVariants(16, torch::kDouble, [](const Core& core, const CoreVariant&) {
    const StatePtr state = LivedState(core, 3, 17);
    TensorMap before;
    for (const auto& [name, tensor] : state->Save()) before[name] = tensor.clone();
    const CoreBlock block = RandomBlock(core, 3, 9, 0.2, 18);
    core.Forward(block.x, block.starts, state, 2, true);
    TakeCoreSteps(*core.Begin(state, 9), block);
    for (const auto& [name, tensor] : state->Save()) EXPECT_TRUE(SameBits(tensor, before.at(name))) << name;
  });
}

TEST_P(EveryCore, BlockBoundariesDoNotMatter) {
  const torch::NoGradGuard no_grad;
  ForVariants(19, torch::kDouble, [](const Core& core, const CoreVariant&) {
    const StatePtr state = LivedState(core, 3, 20);
    const CoreBlock block = RandomBlock(core, 3, 17, 0.05, 21);
    const BlockOutput whole = core.Forward(block.x, block.starts, state, 0, true);
    for (const int64_t cut : {1, 5, 6, 16}) {
      SCOPED_TRACE("cut at " + std::to_string(cut));
      const BlockOutput first = core.Forward(block.x.slice(1, 0, cut), block.starts.slice(1, 0, cut), state, 0, true);
      const BlockOutput second = core.Forward(block.x.slice(1, cut), block.starts.slice(1, cut), first.state, 0, true);
      ExpectClose(torch::cat({first.y, second.y}, 1), whole.y, 1e-11, "y");
      ExpectSameState(second.state, whole.state, 1e-11);
    }
  });
}

TEST_P(EveryCore, StepsOfTheLookaheadAreSeenButNotRemembered) {
  const torch::NoGradGuard no_grad;
  ForVariants(22, torch::kDouble, [](const Core& core, const CoreVariant&) {
    const StatePtr state = LivedState(core, 3, 23);
    const CoreBlock block = RandomBlock(core, 3, 9, 0.1, 24);
    const BlockOutput all = core.Forward(block.x, block.starts, state, 2, true);
    const BlockOutput fresh = core.Forward(block.x.slice(1, 0, 7), block.starts.slice(1, 0, 7), state, 0, true);
    EXPECT_EQ(all.y.size(1), 9);
    ExpectClose(all.y.slice(1, 0, 7), fresh.y, 1e-12, "y");
    EXPECT_EQ(all.living.sum, fresh.living.sum);
    EXPECT_EQ(all.living.steps, fresh.living.steps);
    ExpectSameState(all.state, fresh.state, 1e-12);
    EXPECT_EQ(core.Forward(block.x, block.starts, state).state, nullptr);
  });
}

TEST_P(EveryCore, ALaterInputChangesNoEarlierOutput) {
  const torch::NoGradGuard no_grad;
  ForVariants(25, torch::kDouble, [](const Core& core, const CoreVariant&) {
    const StatePtr state = LivedState(core, 3, 26);
    const CoreBlock block = RandomBlock(core, 3, 10, 0.1, 27);
    const Tensor want = core.Forward(block.x, block.starts, state).y;
    for (int64_t t = 0; t < 10; ++t) {
      Tensor x = block.x.clone(), starts = block.starts.clone();
      x.slice(1, t) += torch::randn({3, 10 - t, core.dim()}, torch::kDouble);
      starts.slice(1, t) = 1 - starts.slice(1, t);
      const Tensor y = core.Forward(x, starts, state).y;
      ExpectClose(y.slice(1, 0, t), want.slice(1, 0, t), 1e-13, "steps before " + std::to_string(t));
      EXPECT_GT(RelativeError(y.slice(1, t), want.slice(1, t)), 1e-6);
    }
  });
}

TEST_P(EveryCore, AnEpisodeStartIsAReset) {
  const torch::NoGradGuard no_grad;
  ForVariants(28, torch::kDouble, [](const Core& core, const CoreVariant&) {
    const StatePtr state = LivedState(core, 2, 29);
    const CoreBlock block = RandomBlock(core, 2, 12, 0, 30);
    for (const int64_t at : {0, 5}) {
      Tensor starts = torch::zeros({2, 12}, torch::kByte);
      starts[0][at] = 1;
      const BlockOutput by_start = core.Forward(block.x, starts, state, 0, true);
      const StatePtr fresh = core.Gather(state, {-1});
      const BlockOutput alone =
          core.Forward(block.x.slice(0, 0, 1).slice(1, at), torch::zeros({1, 12 - at}, torch::kByte), fresh);
      ExpectClose(by_start.y[0].slice(0, at), alone.y[0], 1e-12, "the row that started at " + std::to_string(at));
      const BlockOutput other = core.Forward(block.x, torch::zeros({2, 12}, torch::kByte), state);
      ExpectClose(by_start.y[1], other.y[1], 1e-12, "the row beside it");
    }
  });
}

TEST_P(EveryCore, NoiseComesFromTheSeedAlone) {
  const torch::NoGradGuard no_grad;
  ForVariants(31, torch::kFloat, [this](const Core& core, const CoreVariant& variant) {
    const StatePtr state = LivedState(core, 3, 32, torch::kFloat);
    const CoreBlock block = RandomBlock(core, 3, 12, 0.05, 33, torch::kFloat);
    const auto y = [&](uint64_t noise) { return core.Forward(block.x, block.starts, state, 0, false, noise).y; };
    bool differs = false;
    for (uint64_t seed = 1; seed < 8; ++seed) {
      EXPECT_TRUE(SameBits(y(seed), y(seed))) << "seed " << seed;
      differs |= !SameBits(y(seed), y(seed + 1));
    }
    EXPECT_EQ(differs, variant.draws) << "other seeds, other numbers: where training draws any";
    EXPECT_TRUE(SameBits(y(0), y(0)));
    if (variant.draws) {
      const auto plain = SmallCore(info(), {}, 31, torch::kFloat);
      EXPECT_TRUE(SameBits(y(0), plain->Forward(block.x, block.starts, state).y)) << "evaluation draws nothing";
    }
  });
}

TEST_P(EveryCore, AStateTellsWhatItHolds) {
  const torch::NoGradGuard no_grad;
  const auto core = Small(41);
  int64_t stored = 0;
  for (const int64_t n : core->Start(3)->resident()) stored += n;
  EXPECT_EQ(stored, 0) << "rows that remember nothing";
  const CoreBlock block = RandomBlock(*core, 3, 9, 0, 42);
  const BlockOutput out = core->Forward(block.x, block.starts, core->Start(3), 0, true);
  EXPECT_EQ(out.state->rows(), 3);
  EXPECT_GE(out.state->bytes(), 0);
  EXPECT_EQ(out.living.sum.size(), out.living.max.size());
  EXPECT_EQ(out.state->resident().size(), out.living.sum.size()) << "memory is made of steps in both or in neither";
  for (size_t l = 0; l < out.living.sum.size(); ++l) {
    EXPECT_EQ(out.living.steps, 3 * 9);
    EXPECT_GT(out.living.sum[l], 0);
    EXPECT_LE(out.living.sum[l], out.living.max[l] * 3 * 9);
    EXPECT_GT(out.state->resident()[l], 0);
  }
}

TEST_P(EveryCore, ATraceShowsAsManyAsLive) {
  const torch::NoGradGuard no_grad;
  const auto core = Small(43);
  const CoreBlock block = RandomBlock(*core, 3, 8, 0.1, 44);
  const auto stepper = core->Begin(LivedState(*core, 3, 45), 8);
  for (int64_t t = 0; t < 8; ++t) {
    Trace trace;
    const Tensor start = block.starts.select(1, t).contiguous();
    stepper->Step(block.x.select(1, t).contiguous(), start.const_data_ptr<uint8_t>(), &trace);
    const auto living = stepper->Living();
    ASSERT_EQ(trace.layers.size(), living.size());
    for (size_t l = 0; l < living.size(); ++l)
      for (int64_t row = 0; row < 3; ++row) {
        const Tensor seen = trace.layers[l].mask[row] > 0;
        EXPECT_EQ(seen.sum().item<int64_t>(), living[l][static_cast<size_t>(row)]) << "layer " << l << " row " << row;
        EXPECT_TRUE((trace.layers[l].age[row] > 0).logical_or(seen.logical_not()).all().item<bool>());
        const double total =
            trace.layers[l].weights[row].sum().item<double>() / static_cast<double>(trace.layers[l].weights.size(1));
        EXPECT_NEAR(total, seen.any().item<bool>() ? 1 : 0, 1e-12);
      }
  }
}

/// Names of every registered core, read when the tests are listed.
INSTANTIATE_TEST_SUITE_P(Cores, EveryCore, testing::ValuesIn(CoreNames()),
                         [](const auto& param) { return param.param; });

TEST(ThreadsEveryCore, ForwardOfOneCoreRunsOnSeveralThreads) {
  for (const CoreInfo& info : Cores()) {
    const auto core = SmallCore(info, {}, 46, torch::kFloat);
    const StatePtr state = LivedState(*core, 3, 47, torch::kFloat);
    const CoreBlock block = RandomBlock(*core, 3, 8, 0.1, 48, torch::kFloat);
    const auto run = [&](size_t k) {
      const torch::NoGradGuard no_grad;
      return core->Forward(block.x + static_cast<double>(k), block.starts, state).y;
    };
    std::vector<Tensor> y(4);
    std::vector<std::thread> threads;
    for (size_t k = 0; k < 4; ++k) threads.emplace_back([&, k] { y[k] = run(k); });
    for (std::thread& thread : threads) thread.join();
    for (size_t k = 0; k < 4; ++k) EXPECT_TRUE(SameBits(y[k], run(k))) << info.name << " on thread " << k;
  }
}

}  // namespace
}  // namespace lethe::memory
