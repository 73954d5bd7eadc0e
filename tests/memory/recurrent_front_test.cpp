// What a recurrent front adds to the memory behind it, and what it leaves to it. Steps against blocks, gradients and
// states are asked of it as of every core (core_test.cpp), as variants.

#include "memory/recurrent_front.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/memory/error_text.h"
#include "tests/memory/every_core.h"

namespace lethe::memory {
namespace {

using torch::Tensor;

std::shared_ptr<Core> Fronted(const std::string& core, const std::string& front, uint64_t seed = 1) {
  return SmallCore(FindCore(core), {{"front", front}}, seed);
}

class RecurrentFronts : public testing::TestWithParam<std::string> {};

TEST_P(RecurrentFronts, AddNothingWhereTheyAreNotJoined) {
  const auto core = Fronted("expire_span", GetParam());
  const torch::NoGradGuard no_grad;
  core->named_parameters()["join"].zero_();
  const CoreBlock block = RandomBlock(*core, 3, 20, 0.1, 2);
  const Tensor y = core->Forward(block.x, block.starts, core->Start(3)).y;
  EXPECT_TRUE(SameBits(y, core->Body().Forward(block.x, block.starts, core->Body().Start(3)).y));
}

/// What was seen once reaches a step when every memory of it is gone.
TEST_P(RecurrentFronts, CarryOnWhatTheBodyForgets) {
  const auto core = Fronted("transformer_xl", GetParam());
  CoreBlock block = RandomBlock(*core, 1, 40, 0, 3);
  block.starts.zero_();
  const Tensor other = block.x.clone();
  other.select(1, 0) += 3;
  const torch::NoGradGuard no_grad;
  const auto last = [&](const Core& any, const Tensor& x) {
    return any.Forward(x, block.starts, any.Start(1)).y.select(1, 39);
  };
  EXPECT_GT((last(*core, block.x) - last(*core, other)).abs().max().item<double>(), 1e-9);
  EXPECT_TRUE(SameBits(last(core->Body(), block.x), last(core->Body(), other)));
}

TEST_P(RecurrentFronts, SaveTheirVectorsBesideTheBodysTensors) {
  const auto core = Fronted("expire_span", GetParam());
  const TensorMap all = LivedState(*core, 2, 4)->Save(), body = core->Body().Start(2)->Save();
  for (const auto& [name, tensor] : body) EXPECT_TRUE(all.contains(name)) << name;
  EXPECT_TRUE(all.contains("front.clock"));
  EXPECT_TRUE(all.contains("front.layer0.hidden"));
  TensorMap longer = all;
  longer["front.clock"] = torch::zeros({3}, torch::kLong);
  for (auto& [name, tensor] : longer)
    if (name.starts_with("front.layer")) tensor = torch::zeros({3, 6}, torch::kDouble);
  EXPECT_EQ(ErrorText([&] { core->Restore(longer); }), "memory state: `front.clock` must be [2], got [3]");
}

TEST_P(RecurrentFronts, MustBeACellThereIs) {
  auto options = SmallCoreOptions(FindCore("expire_span"), {{"front", std::string("rnn")}});
  EXPECT_EQ(ErrorText([&] { options->Make(); }), "memory option `front`: got rnn, allowed: none, gru, lstm");
}

TEST_P(RecurrentFronts, RefuseTheStateOfAMemoryWithoutOne) {
  const auto core = Fronted("expire_span", GetParam());
  const CoreBlock block = RandomBlock(*core, 2, 3, 0, 5);
  const StatePtr plain = core->Body().Start(2);
  const std::string message = "memory state: not the state of a memory with a recurrent front";
  EXPECT_EQ(ErrorText([&] { core->Forward(block.x, block.starts, plain); }), message);
  EXPECT_EQ(ErrorText([&] { core->Begin(plain, 3); }), message);
  EXPECT_EQ(ErrorText([&] { core->Gather(plain, {0}); }), message);
}

TEST_P(RecurrentFronts, LeaveSpansAndBoundsToTheBody) {
  const auto core = Fronted("expire_span", GetParam());
  const CoreBlock block = RandomBlock(*core, 2, 3, 0, 6);
  core->RestartSpans(0.3);
  const torch::NoGradGuard no_grad;
  const auto span = [&] { return core->Forward(block.x, block.starts, core->Start(2)).span_mean[0].item<double>(); };
  EXPECT_NEAR(span(), 0.3 * 7, 1e-9);
  core->StretchSpans(1.01);
  const double stretched = span();
  EXPECT_GT(stretched, 0.3 * 7);
  core->SharpenSpans(2);
  EXPECT_LT(span(), stretched);
  EXPECT_EQ(Fronted("adaptive_span", GetParam())->BoundedParameters().size(), 2U);  // a ratio per layer
}

INSTANTIATE_TEST_SUITE_P(Cells, RecurrentFronts, testing::Values("gru", "lstm"),
                         [](const auto& param) { return param.param; });

}  // namespace
}  // namespace lethe::memory
