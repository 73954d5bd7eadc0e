// Step equals block: T calls of Step give what one Forward over T steps gives, over unrolls, episode starts and expiry.

#include <gtest/gtest.h>

#include "memory/kernels/dispatch.h"
#include "memory/torch.h"
#include "tests/memory/attention_case.h"
#include "tests/memory/every_core.h"
#include "tests/memory/memory_case.h"

namespace lethe::memory {
namespace {

using torch::Tensor;

using MakeFunction = std::unique_ptr<Stepper> (*)(const BankedTransformer&, std::shared_ptr<const BankedState>, int64_t,
                                                  Between);

std::shared_ptr<const BankedState> Mine(const StatePtr& state) {
  return std::static_pointer_cast<const BankedState>(state);
}

/// Runs the blocks both ways, each with a state of its own, and compares everything that both give.
void ExpectStepsEqualBlocks(const ExpireSpan& core, const StatePtr& start, const Blocks& blocks, MakeFunction make,
                            double tolerance) {
  const torch::NoGradGuard no_grad;
  const size_t layers = core.layers().size();
  StatePtr block_state = start, step_state = start;
  for (size_t k = 0; k < blocks.x.size(); ++k) {
    SCOPED_TRACE("unroll " + std::to_string(k));
    const BlockOutput block = core.Forward(blocks.x[k], blocks.starts[k], block_state, 0, true);
    const auto stepper = make(core, Mine(step_state), blocks.x[k].size(1), {});
    const Steps steps = TakeSteps(*stepper, blocks.x[k], blocks.starts[k], layers);
    ExpectClose(steps.y, block.y, tolerance, "y");
    for (size_t l = 0; l < layers; ++l) {
      ExpectClose(steps.spans[l], block.spans[l], tolerance, "spans");
      EXPECT_EQ(steps.living[l].sum().item<double>(), block.living.sum[l]) << "living memories of layer " << l;
      EXPECT_EQ(steps.living[l].max().item<double>(), block.living.max[l]) << "living memories of layer " << l;
    }
    ExpectSameState(steps.state, block.state, tolerance);
    block_state = block.state, step_state = steps.state;
  }
}

struct StepperCase {
  const char* name;
  MakeFunction make;
};

/// In float64 every memory steps in operators; "Fused" is fused in float32 (FusedStepperChoice).
struct Precision {
  torch::Dtype dtype;
  double tolerance;
};
constexpr Precision kPrecisions[] = {{torch::kDouble, 1e-9}, {torch::kFloat, 1e-5}};

class StepEqualsBlock : public testing::TestWithParam<StepperCase> {
 protected:
  void Expect(const ExpireSpan& core, const StatePtr& start, const Blocks& blocks, double tolerance) const {
    for (const Isa isa : RunnableBuilds()) {
      const IsaScope scope(isa);
      ExpectStepsEqualBlocks(core, start, blocks, GetParam().make, tolerance);
    }
  }
};

TEST_P(StepEqualsBlock, Float64) {
  for (const bool pre_norm : {false, true}) {
    ExpireSpanOptions options = SmallOptions();
    options.pre_norm = pre_norm;
    const ExpireSpan core = RandomMemory(options, 1);
    Expect(core, core.Start(5), RandomBlocks(6, 5, 9, 12, 0.05, 2), 1e-9);
  }
}

TEST_P(StepEqualsBlock, Float32) {
  for (const bool pre_norm : {false, true}) {
    ExpireSpanOptions options = SmallOptions();
    options.pre_norm = pre_norm;
    const ExpireSpan core = RandomMemory(options, 3, torch::kFloat);
    Expect(core, core.Start(5), RandomBlocks(6, 5, 9, 12, 0.05, 4, torch::kFloat), 1e-5);
  }
}

TEST_P(StepEqualsBlock, Float32WithSizesOfTraining) {
  ExpireSpanOptions options;
  options.span_limit = 256;
  const ExpireSpan core = RandomMemory(options, 5, torch::kFloat, 0.3);
  Expect(core, core.Start(4), RandomBlocks(3, 4, 32, 64, 0.01, 6, torch::kFloat), 1e-5);
}

TEST_P(StepEqualsBlock, Float32WithSpansOfAThousand) {
  ExpireSpanOptions options = SmallOptions();
  options.span_limit = 1'000, options.ramp = 16;
  const ExpireSpan core = RandomMemory(options, 7, torch::kFloat, 0.3);
  Expect(core, RandomState(core, 3, 60, 1'000, 5'000, 8), RandomBlocks(3, 3, 8, 12, 0.02, 9, torch::kFloat), 1e-5);
}

TEST_P(StepEqualsBlock, Float64WithSpansOf131072) {
  for (const bool pre_norm : {false, true}) {
    ExpireSpanOptions options = SmallOptions();
    options.span_limit = 131'072, options.ramp = 64, options.pre_norm = pre_norm;
    const ExpireSpan core = RandomMemory(options, 10);
    Expect(core, RandomState(core, 3, 200, 131'072, 200'000, 11), RandomBlocks(3, 3, 8, 12, 0.02, 12), 1e-9);
  }
}

TEST_P(StepEqualsBlock, RampOfOneAndSpansNearZero) {
  ExpireSpanOptions options = SmallOptions();
  options.ramp = 1, options.span_limit = 3;
  for (const auto& [dtype, tolerance] : kPrecisions) {
    const ExpireSpan core = RandomMemory(options, 13, dtype, 2);
    Expect(core, core.Start(4), RandomBlocks(4, 4, 9, 12, 0.1, 14, dtype), tolerance);
  }
}

TEST_P(StepEqualsBlock, PublishedMode) {
  ExpireSpanOptions options = SmallOptions();
  options.published = true;
  const ExpireSpan core = RandomMemory(options, 15);
  Expect(core, core.Start(2), RandomBlocks(8, 2, options.positions, 12, 0, 16), 1e-9);
}

TEST_P(StepEqualsBlock, UnrollsShorterThanBegun) {
  const torch::NoGradGuard no_grad;
  for (const auto& [dtype, tolerance] : kPrecisions) {
    const ExpireSpan core = RandomMemory(SmallOptions(), 17, dtype);
    const Blocks blocks = RandomBlocks(2, 3, 5, 12, 0.1, 18, dtype);
    const StatePtr state = core.Forward(blocks.x[0], blocks.starts[0], core.Start(3), 0, true).state;
    const auto stepper = GetParam().make(core, Mine(state), 50, {});
    const Steps steps = TakeSteps(*stepper, blocks.x[1], blocks.starts[1], 2);
    const BlockOutput block = core.Forward(blocks.x[1], blocks.starts[1], state, 0, true);
    ExpectClose(steps.y, block.y, tolerance, "y");
    ExpectSameState(steps.state, block.state, tolerance);
  }
}

TEST_P(StepEqualsBlock, OneStepPerUnroll) {
  const torch::NoGradGuard no_grad;
  for (const auto& [dtype, tolerance] : kPrecisions) {
    const ExpireSpan core = RandomMemory(SmallOptions(), 19, dtype);
    const Blocks whole = RandomBlocks(1, 3, 20, 12, 0.1, 20, dtype);
    Blocks single;
    for (int64_t t = 0; t < 20; ++t) {
      single.x.push_back(whole.x[0].slice(1, t, t + 1).contiguous());
      single.starts.push_back(whole.starts[0].slice(1, t, t + 1).contiguous());
    }
    Expect(core, core.Start(3), single, tolerance);
  }
}

TEST_P(StepEqualsBlock, TooManyStepsAreRefused) {
  const torch::NoGradGuard no_grad;
  for (const auto& [dtype, tolerance] : kPrecisions) {
    const ExpireSpan core = RandomMemory(SmallOptions(), 21, dtype);
    const auto stepper = GetParam().make(core, Mine(core.Start(1)), 1, {});
    const uint8_t start = 1;
    const Tensor x = torch::zeros({1, 12}, dtype);
    stepper->Step(x, &start);
    EXPECT_THROW(stepper->Step(x, &start), std::logic_error);
  }
}

/// What a step saw, against its definition: ages fall, masks follow from spans, weights sum to one where something
/// lives.
void ExpectTraceShowsWhatTheStepSaw(const ExpireSpan& core, MakeFunction make, torch::Dtype dtype, double tolerance) {
  const Blocks blocks = RandomBlocks(3, 3, 7, 12, 0.1, 23, dtype);
  StatePtr state = core.Start(3);
  for (size_t k = 0; k < blocks.x.size(); ++k) {
    const auto stepper = make(core, Mine(state), 7, {});
    for (int64_t t = 0; t < 7; ++t) {
      Trace trace;
      const Tensor start = blocks.starts[k].select(1, t).contiguous();
      stepper->Step(blocks.x[k].select(1, t).contiguous(), start.const_data_ptr<uint8_t>(), &trace);
      ASSERT_EQ(trace.layers.size(), 2u);
      for (size_t l = 0; l < 2; ++l) {
        const Trace::Layer& seen = trace.layers[l];
        const Tensor expected =
            torch::where(seen.age > 0, ((seen.span - seen.age) / core.options().ramp + 1).clamp(0, 1), 0);
        ExpectClose(seen.mask, expected, 1e-14, "mask");
        const auto living = stepper->Living()[l];
        for (int64_t row = 0; row < 3; ++row) {
          const int64_t alive = (seen.mask[row] > 0).sum().item<int64_t>();
          EXPECT_EQ(alive, living[static_cast<size_t>(row)]);
          ExpectClose(seen.weights[row].sum(1), torch::full({2}, alive > 0 ? 1.0 : 0.0, torch::kDouble), tolerance,
                      "weights");
        }
      }
    }
    state = stepper->Finish();
  }
}

TEST_P(StepEqualsBlock, TraceShowsWhatTheStepSaw) {
  const torch::NoGradGuard no_grad;
  for (const auto& [dtype, tolerance] : {Precision{torch::kDouble, 1e-12}, Precision{torch::kFloat, 1e-6}})
    ExpectTraceShowsWhatTheStepSaw(RandomMemory(SmallOptions(), 22, dtype), GetParam().make, dtype, tolerance);
}

INSTANTIATE_TEST_SUITE_P(Steppers, StepEqualsBlock,
                         testing::Values(StepperCase{"Fused", MakeStepper},
                                         StepperCase{"Operator", MakeOperatorStepper}),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace lethe::memory
