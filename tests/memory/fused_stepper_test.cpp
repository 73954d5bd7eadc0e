// The fused stepper against the tensor operators, whatever the sizes; and what it must not look at.

#include "memory/fused_stepper.h"

#include <gtest/gtest.h>

#include <limits>
#include <typeinfo>

#include "memory/banked_stepper.h"
#include "memory/check.h"
#include "memory/torch.h"
#include "memory/transformer_xl.h"
#include "tests/memory/attention_case.h"
#include "tests/memory/every_core.h"
#include "tests/memory/memory_case.h"

namespace lethe::memory {
namespace {

using torch::Tensor;

std::shared_ptr<const BankedState> Mine(const StatePtr& state) {
  return std::static_pointer_cast<const BankedState>(state);
}

struct FusedCase {
  const char* name;
  const char* core;
  OptionValues options;
};

/// Two steppers of one core at the same inputs: outputs, counts, spans and traces of every step. same_input: the first
/// layer's attention sees the same bits, so its spans are the same too.
void ExpectSameStep(Stepper& got, Stepper& want, const Tensor& x, const uint8_t* starts, bool same_input) {
  Trace got_trace, want_trace;
  const Tensor y = got.Step(x, starts, &got_trace).clone();
  ExpectClose(y, want.Step(x, starts, &want_trace), 1e-5, "y");
  EXPECT_EQ(got.Living(), want.Living());
  ASSERT_EQ(got.Spans().size(), want.Spans().size());
  for (size_t l = 0; l < got.Spans().size(); ++l) {
    if (l == 0 && same_input) {
      EXPECT_EQ(got.Spans()[0], want.Spans()[0]);
    }
    ExpectClose(torch::tensor(got.Spans()[l], torch::kDouble), torch::tensor(want.Spans()[l], torch::kDouble), 1e-5,
                "spans");
  }
  ASSERT_EQ(got_trace.layers.size(), want_trace.layers.size());
  for (size_t l = 0; l < got_trace.layers.size(); ++l) {
    const Trace::Layer &a = got_trace.layers[l], &b = want_trace.layers[l];
    EXPECT_TRUE(torch::equal(a.age, b.age));
    ExpectClose(a.span, b.span, 1e-5, "span");
    ExpectClose(a.mask, b.mask, 1e-4, "mask");  // spans of the second layer differ by rounding, times the limit
    ExpectClose(a.weights, b.weights, 1e-5, "weights");
  }
}

class FusedStepper : public testing::TestWithParam<FusedCase> {
 protected:
  std::shared_ptr<BankedTransformer> Core(uint64_t seed) const {
    return std::static_pointer_cast<BankedTransformer>(
        SmallCore(FindCore(GetParam().core), GetParam().options, seed, torch::kFloat));
  }
};

/// Unrolls of one group of keys and of several, rows of one tile and of several, episode starts and expiry inside.
TEST_P(FusedStepper, EqualsTheOperators) {
  const torch::NoGradGuard no_grad;
  const auto core = Core(1);
  ASSERT_TRUE(CanFuse(*core));
  for (const Isa isa : RunnableBuilds()) {
    const IsaScope scope(isa);
    for (const int64_t rows : {3, 27}) {
      SCOPED_TRACE(std::to_string(rows) + " rows, build " + std::to_string(static_cast<int>(isa)));
      StatePtr state = core->Start(rows);
      for (const int64_t steps : {9, 37, 1, 17}) {
        const CoreBlock block = RandomBlock(*core, rows, steps, 0.03, static_cast<uint64_t>(2 + steps), torch::kFloat);
        const auto fused = MakeFusedStepper(*core, Mine(state), steps + 3),
                   operators = MakeOperatorStepper(*core, Mine(state), steps);
        for (int64_t t = 0; t < steps; ++t) {
          const Tensor starts = block.starts.select(1, t).contiguous();
          ExpectSameStep(*fused, *operators, block.x.select(1, t), starts.const_data_ptr<uint8_t>(),
                         !core->shared().pre_norm);
          if (HasFailure()) return;
        }
        const StatePtr after = fused->Finish();
        ExpectSameState(after, operators->Finish(), 1e-5);
        state = after;
      }
    }
  }
}

/// A row's numbers are its own: they do not depend on the rows beside it, nor on whether a trace is asked for.
TEST_P(FusedStepper, RowsDoNotDependOnEachOther) {
  const torch::NoGradGuard no_grad;
  const auto core = Core(3);
  const StatePtr state = LivedState(*core, 30, 4, torch::kFloat);
  const CoreBlock block = RandomBlock(*core, 30, 20, 0.03, 5, torch::kFloat);
  const std::vector<int64_t> chosen = {29, 3};
  const Tensor index = torch::tensor(chosen, torch::kLong);
  const auto all = MakeFusedStepper(*core, Mine(state), 20),
             some = MakeFusedStepper(*core, Mine(core->Gather(state, chosen)), 20);
  for (int64_t t = 0; t < 20; ++t) {
    const Tensor x = block.x.select(1, t), starts = block.starts.select(1, t).contiguous(),
                 some_starts = starts.index_select(0, index);
    Trace trace;
    const Tensor want = all->Step(x, starts.const_data_ptr<uint8_t>()).index_select(0, index);
    EXPECT_TRUE(SameBits(some->Step(x.index_select(0, index), some_starts.const_data_ptr<uint8_t>(), &trace), want));
  }
}

OptionValues Sizes(double dim, double heads, double head_dim, double ffn, double positions) {
  return {{"dim", dim},  {"heads", heads},         {"head_dim", head_dim}, {"ffn", ffn},
          {"ramp", 6.0}, {"positions", positions}, {"span_limit", 70.0},   {"memory_length", 45.0}};
}

OptionValues With(OptionValues options, const std::string& name, OptionValue value) {
  options[name] = std::move(value);
  return options;
}

std::vector<FusedCase> FusedCases() {
  const OptionValues whole = Sizes(64, 4, 16, 256, 32), odd = Sizes(17, 3, 5, 35, 7);
  return {{"Small", "expire_span", {}},
          {"WholeVectors", "expire_span", whole},
          {"OddSizes", "expire_span", odd},
          {"OneHead", "expire_span", Sizes(16, 1, 16, 32, 16)},
          {"WideHeads", "expire_span", Sizes(33, 2, 20, 40, 1)},
          {"ManyPositions", "expire_span", Sizes(12, 2, 6, 16, 90)},
          {"Rotary", "expire_span", With(With(odd, "head_dim", 6.0), "position", std::string("rotary"))},
          {"PreNorm", "expire_span", With(whole, "pre_norm", true)},
          {"PreNormOddSizes", "expire_span", With(odd, "pre_norm", true)},
          {"Window", "transformer_xl", whole},
          {"WindowOddSizes", "transformer_xl", odd},
          {"WindowWithAllPositions", "transformer_xl", Sizes(16, 2, 8, 20, 45)},
          {"WindowRotary", "transformer_xl", With(With(odd, "head_dim", 6.0), "position", std::string("rotary"))}};
}

INSTANTIATE_TEST_SUITE_P(Cases, FusedStepper, testing::ValuesIn(FusedCases()),
                         [](const auto& param) { return param.param.name; });

/// A window over 12 steps of 30, so that most of each row's bank is dead from the start.
struct Window {
  std::shared_ptr<TransformerXl> core;
  TensorMap saved;
  Window() {
    torch::manual_seed(6);
    TransformerXlOptions options;
    options.dim = 8, options.heads = 2, options.ffn = 8, options.memory_length = 12;
    core = std::make_shared<TransformerXl>(options);
    saved["clock"] = torch::full({3}, 100, torch::kLong);
    for (const std::string layer : {"layer0.", "layer1."}) {
      saved[layer + "time"] = torch::arange(70, 100, torch::kLong).repeat({3});
      saved[layer + "hidden"] = torch::randn({90, 8});
      saved[layer + "count"] = torch::full({3}, 30, torch::kLong);
    }
  }
  Tensor Steps(const TensorMap& state) const {
    const Tensor x = torch::linspace(-1, 1, 8 * 3).view({3, 8});
    const std::vector<uint8_t> starts(3, 0);
    const auto stepper = MakeFusedStepper(*core, Mine(core->Restore(state)), 20);
    std::vector<Tensor> y;
    for (int64_t t = 0; t < 20; ++t) y.push_back(stepper->Step(x, starts.data()).clone());
    return torch::stack(y);
  }
};

TEST(FusedStepperForgets, WhatIsDeadAtTheStartIsNeverRead) {
  const torch::NoGradGuard no_grad;
  const Window window;
  const Tensor want = window.Steps(window.saved);
  EXPECT_TRUE(want.isfinite().all().item<bool>());
  for (const float poison : {1e30f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    TensorMap poisoned = window.saved;
    for (const std::string layer : {"layer0.", "layer1."}) {
      poisoned[layer + "hidden"] = window.saved.at(layer + "hidden").clone();
      poisoned[layer + "hidden"].view({3, 30, 8}).slice(1, 0, 18).fill_(poison);  // ages 13 to 30
    }
    EXPECT_TRUE(SameBits(window.Steps(poisoned), want)) << poison;
  }
}

/// A living memory that is not finite is an error, not a number.
TEST(FusedStepperForgets, WhatLivesIsRead) {
  const torch::NoGradGuard no_grad;
  const Window window;
  TensorMap poisoned = window.saved;
  poisoned["layer0.hidden"] = window.saved.at("layer0.hidden").clone();
  poisoned["layer0.hidden"].view({3, 30, 8})[1][18][0] = std::numeric_limits<float>::quiet_NaN();  // age 12
  EXPECT_THROW(window.Steps(poisoned), NotFinite);
}

/// A step whose span ends before the next step may hold any key and value.
TEST(FusedStepperForgets, AStepThatIsForgottenAtOnceLeavesNothing) {
  const torch::NoGradGuard no_grad;
  ExpireSpanOptions options = SmallOptions();
  options.layers = 1, options.ramp = 1;
  const ExpireSpan core = RandomMemory(options, 7, torch::kFloat);
  const Tensor away = -core.layers()[0].span.squeeze(0).sign();  // the more of it, the shorter the span
  const Blocks blocks = RandomBlocks(1, 2, 20, 12, 0, 8, torch::kFloat);
  const std::vector<uint8_t> starts(2, 0);
  std::vector<Tensor> runs;
  for (const float size : {1e4f, 1e30f, 3e38f}) {
    const auto stepper = MakeFusedStepper(core, Mine(core.Start(2)), 20);
    std::vector<Tensor> y;
    for (int64_t t = 0; t < 20; ++t) {
      const bool forgotten = t % 3 == 1;
      const Tensor out =
          stepper->Step(forgotten ? (away * size).expand({2, 12}) : blocks.x[0].select(1, t), starts.data());
      if (!forgotten) y.push_back(out.clone());
    }
    runs.push_back(torch::stack(y));
  }
  EXPECT_TRUE(SameBits(runs[1], runs[0]));
  EXPECT_TRUE(SameBits(runs[2], runs[0]));
}

TEST(FusedStepperErrors, InputsThatDoNotFitAreNamed) {
  const torch::NoGradGuard no_grad;
  const ExpireSpan core = RandomMemory(SmallOptions(), 9, torch::kFloat);
  const auto stepper = MakeFusedStepper(core, Mine(core.Start(2)), 4);
  const std::vector<uint8_t> starts(2, 0);
  EXPECT_THROW(stepper->Step(torch::zeros({2, 11}), starts.data()), std::invalid_argument);
  EXPECT_THROW(stepper->Step(torch::zeros({3, 12}), starts.data()), std::invalid_argument);
  EXPECT_THROW(stepper->Step(torch::zeros({2, 12}, torch::kDouble), starts.data()), std::invalid_argument);
  EXPECT_NO_THROW(stepper->Step(torch::zeros({12, 2}).t(), starts.data()));
  EXPECT_THROW(stepper->Step(torch::full({2, 12}, std::numeric_limits<float>::quiet_NaN()), starts.data()), NotFinite);
}

/// What the fused stepper does not know goes to the tensor operators.
TEST(FusedStepperChoice, KnowsWhatItCannotStep) {
  const auto can = [](const char* core, const OptionValues& options, torch::Dtype dtype = torch::kFloat) {
    return CanFuse(static_cast<BankedTransformer&>(*SmallCore(FindCore(core), options, 10, dtype)));
  };
  EXPECT_TRUE(can("expire_span", {}));
  EXPECT_TRUE(can("transformer_xl", {}));
  EXPECT_TRUE(can("expire_span", {{"pre_norm", true}, {"position", std::string("rotary")}}));
  EXPECT_FALSE(can("expire_span", {}, torch::kDouble));
  EXPECT_FALSE(can("expire_span", {{"gates", true}}));
  EXPECT_FALSE(can("adaptive_span", {}));
  ExpireSpanOptions published = SmallOptions();
  published.published = true;
  EXPECT_FALSE(CanFuse(ExpireSpan(published)));
  ExpireSpan shortened{SmallOptions()};
  shortened.SetShortening(0.5);
  EXPECT_FALSE(CanFuse(shortened));
}

TEST(FusedStepperChoice, IsMadeWhereverItCanStep) {
  for (const torch::Dtype dtype : {torch::kFloat, torch::kDouble}) {
    const ExpireSpan core = RandomMemory(SmallOptions(), 11, dtype);
    const auto state = Mine(core.Start(2));
    const auto made = MakeStepper(core, state, 4), operators = MakeOperatorStepper(core, state, 4);
    const Stepper &chosen = *made, &in_operators = *operators;
    EXPECT_EQ(typeid(chosen) == typeid(in_operators), !CanFuse(core)) << dtype;
  }
}

}  // namespace
}  // namespace lethe::memory
