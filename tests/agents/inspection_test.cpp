// What an inspection says about a text, against the model's own forward pass and the definition of a living memory.

#include "agents/inspection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "memory/expire_span.h"

namespace lethe::agents {
namespace {

constexpr double kRamp = 3;
const std::string kText = "to be, or not to be: that is the question";

/// A character model whose spans differ from letter to letter.
std::shared_ptr<SequenceModel> RandomModel() {
  memory::ExpireSpanOptions options;
  options.layers = 2, options.dim = 12, options.heads = 2, options.ffn = 16, options.block = 8;
  options.span_limit = 20, options.ramp = kRamp;
  torch::manual_seed(7);
  auto model = std::make_shared<SequenceModel>(256, 256, options);
  const torch::NoGradGuard no_grad;
  for (auto& parameter : model->named_parameters())
    if (parameter.key().ends_with(".span")) parameter->normal_(0, 0.7);
  return model;
}

TEST(Inspection, CountsWhatTheForwardPassCounts) {
  const auto model = RandomModel();
  const Inspection seen = Inspect(*model, kText, 8, kRamp);
  const torch::NoGradGuard no_grad;
  const auto size = static_cast<int64_t>(kText.size());
  const torch::Tensor tokens = torch::from_blob(const_cast<char*>(kText.data()), {1, size}, torch::kUInt8);
  const auto whole = model->Forward(tokens, torch::zeros({1, size}, torch::kUInt8), model->core().Start(1), false);
  const torch::Tensor nats = -torch::log_softmax(model->Head(whole.y)[0], 1);
  ASSERT_EQ(seen.spans.size(), 2u);
  ASSERT_EQ(seen.bits.size(), kText.size() - 1);
  for (int64_t i = 0; i + 1 < size; ++i)
    EXPECT_NEAR(seen.bits[static_cast<size_t>(i)],
                nats[i][tokens[0][i + 1].item<int64_t>()].item<double>() / std::log(2), 1e-4);
  for (size_t l = 0; l < 2; ++l) {
    ASSERT_EQ(seen.spans[l].size(), kText.size());
    for (int64_t i = 0; i < size; ++i)
      EXPECT_NEAR(seen.spans[l][static_cast<size_t>(i)], whole.spans[l][0][i].item<double>(), 1e-3);
    EXPECT_NEAR(seen.living[l], whole.living.sum[l] / static_cast<double>(size), 1e-9);
    EXPECT_EQ(static_cast<double>(seen.living_max[l]), whole.living.max[l]);
  }
}

TEST(Inspection, LivingAtAPointAreThoseTheMemoryCounts) {
  const Inspection seen = Inspect(*RandomModel(), kText, 8, kRamp);
  for (size_t l = 0; l < 2; ++l) {
    double sum = 0;
    for (int64_t at = 0; at < static_cast<int64_t>(kText.size()); ++at) {
      const auto living = seen.LivingAt(l, at);
      sum += static_cast<double>(living.size());
      for (const int64_t i : living) EXPECT_LT(i, at);
    }
    EXPECT_NEAR(sum / static_cast<double>(kText.size()), seen.living[l], 1e-9);
    EXPECT_GT(sum, 0);
  }
}

TEST(Inspection, RefusesWhatItCannotShow) {
  const auto message = [](const SequenceModel& model, const std::string& text, double ramp) -> std::string {
    try {
      Inspect(model, text, 8, ramp);
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(message(*RandomModel(), "", kRamp), testing::HasSubstr("it is empty"));
  EXPECT_THAT(message(*RandomModel(), kText, 0), testing::HasSubstr("predicts no spans"));
}

}  // namespace
}  // namespace lethe::agents
