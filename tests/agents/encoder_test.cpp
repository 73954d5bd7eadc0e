// The token encoder against the linear layer over one-hot words that it stands for.

#include "agents/encoder.h"

#include <gtest/gtest.h>

namespace lethe::agents {
namespace {

using torch::Tensor;

const std::vector<int> kVocabularies{3, 7, 2, 5};
constexpr int64_t kSteps = 4, kRows = 3, kDim = 38;  // two whole vectors and a rest

Tensor RandomObservations() {
  std::vector<Tensor> tokens;
  for (const int vocabulary : kVocabularies) tokens.push_back(torch::randint(vocabulary, {kSteps, kRows}));
  return torch::stack(tokens, 2).to(torch::kByte).contiguous();
}

/// [S, B, tokens] -> [B, S, sum of vocabularies].
Tensor OneHot(const Tensor& observations) {
  std::vector<Tensor> words;
  for (size_t j = 0; j < kVocabularies.size(); ++j)
    words.push_back(torch::one_hot(observations.select(2, static_cast<int64_t>(j)).to(torch::kLong), kVocabularies[j]));
  return torch::cat(words, 2).transpose(0, 1).to(torch::kFloat);
}

struct Case {
  TokenEncoder encoder{kVocabularies, kDim};
  Tensor observations = RandomObservations();
  Tensor table = encoder.named_parameters()["table"], bias = encoder.named_parameters()["bias"];

  Case() {
    const torch::NoGradGuard no_grad;
    bias.normal_();
  }
  Tensor Want() const { return torch::matmul(OneHot(observations), table) + bias; }
};

TEST(Encoder, IsALinearLayerOverOneHotWords) {
  torch::manual_seed(1);
  const Case c;
  const Tensor y = c.encoder.Forward(c.observations);
  ASSERT_EQ(y.sizes(), torch::IntArrayRef({kRows, kSteps, kDim}));
  EXPECT_TRUE(torch::allclose(y, c.Want(), 1e-5, 1e-6));
}

TEST(Encoder, ManyAlikeWeighAsMuchAsOneOfAnotherKind) {
  torch::manual_seed(4);
  const std::vector<int> vocabularies{4, 4, 4, 4, 4, 4, 4, 4, 4, 50};
  const TokenEncoder encoder(vocabularies, 512);
  const Tensor table = encoder.named_parameters()["table"];
  const auto variance = [](const Tensor& rows) { return rows.square().mean().item<double>(); };
  EXPECT_NEAR(variance(table.narrow(0, 0, 36)), 1.0 / 18, 0.005);
  EXPECT_NEAR(variance(table.narrow(0, 36, 50)), 1.0 / 2, 0.02);
}

TEST(GradientEncoder, IsThatOfTheLinearLayer) {
  torch::manual_seed(2);
  const Case c;
  const Tensor grad = torch::randn({kRows, kSteps, kDim});
  const auto got = torch::autograd::grad({c.encoder.Forward(c.observations)}, {c.table, c.bias}, {grad});
  const auto want = torch::autograd::grad({c.Want()}, {c.table, c.bias}, {grad});
  EXPECT_TRUE(torch::allclose(got[0], want[0], 1e-5, 1e-6));
  EXPECT_TRUE(torch::allclose(got[1], want[1], 1e-5, 1e-6));
}

TEST(GradientEncoder, TakesAGradientThatIsNotContiguous) {
  torch::manual_seed(3);
  const Case c;
  const Tensor grad = torch::randn({kDim, kSteps, kRows}).permute({2, 1, 0});
  const auto got = torch::autograd::grad({c.encoder.Forward(c.observations)}, {c.table}, {grad});
  const auto want = torch::autograd::grad({c.Want()}, {c.table}, {grad});
  EXPECT_TRUE(torch::allclose(got[0], want[0], 1e-5, 1e-6));
}

}  // namespace
}  // namespace lethe::agents
