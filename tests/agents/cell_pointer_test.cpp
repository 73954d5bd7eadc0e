// How policies point at cells in view, against plain loops over them.

#include "agents/cell_pointer.h"

#include <gtest/gtest.h>

#include <cmath>

namespace lethe::agents {
namespace {

using torch::Tensor;

constexpr CellLayout kLayout{.count = 4, .kinds = 3, .colors = 2};
constexpr int64_t kSteps = 5, kRows = 3, kDim = 18, kHeads = 2, kOutputs = 3;

/// Cells and one token that is none: [S, B, 9].
Tensor RandomObservations() {
  std::vector<Tensor> tokens;
  for (int64_t i = 0; i < kLayout.count; ++i) {
    tokens.push_back(torch::randint(kLayout.kinds, {kSteps, kRows}));
    tokens.push_back(torch::randint(kLayout.colors, {kSteps, kRows}));
  }
  tokens.push_back(torch::randint(200, {kSteps, kRows}));
  return torch::stack(tokens, 2).to(torch::kByte).contiguous();
}

struct Cell {
  int64_t kind, color;
};
Cell CellOf(const Tensor& observations, int64_t step, int64_t row, int64_t i) {
  return {observations[step][row][2 * i].item<int64_t>(), observations[step][row][2 * i + 1].item<int64_t>()};
}

/// Gradients of <y, g> by each of `inputs`.
std::vector<Tensor> Gradients(const Tensor& y, const Tensor& g, const std::vector<Tensor>& inputs) {
  return torch::autograd::grad({(y * g).sum()}, inputs);
}

/// The pointer in loops over cells, from its parameters and y, so that autograd can follow.
Tensor PointInLoops(const CellPointer& pointer, const Tensor& y, const Tensor& observations) {
  const auto parameters = pointer.named_parameters();
  const Tensor query = parameters["query"], bias = parameters["query_bias"], place = parameters["place"];
  const int64_t words = kLayout.kinds + kLayout.colors;
  std::vector<Tensor> outputs;
  for (int64_t row = 0; row < kRows; ++row) {
    for (int64_t step = 0; step < kSteps; ++step) {
      const Tensor numbers = torch::mv(query, y[row][step]) + bias;
      Tensor out = torch::zeros({kOutputs});
      for (int64_t head = 0; head < kHeads; ++head) {
        std::vector<Tensor> weights;
        Tensor sum = torch::ones({});  // no cell at all
        for (int64_t i = 0; i < kLayout.count; ++i) {
          const Cell cell = CellOf(observations, step, row, i);
          weights.push_back(
              (numbers[head * words + cell.kind] + numbers[head * words + kLayout.kinds + cell.color]).exp());
          sum = sum + weights.back();
        }
        for (int64_t i = 0; i < kLayout.count; ++i)
          out = out + weights[static_cast<size_t>(i)] / sum * place.select(1, head * kLayout.count + i);
      }
      outputs.push_back(out);
    }
  }
  return torch::stack(outputs).view({kRows, kSteps, kOutputs});
}

TEST(CellPointer, WeighsPlacesByWhatLiesThere) {
  torch::manual_seed(3);
  const CellPointer pointer(kLayout, kHeads, kDim, kOutputs);
  const Tensor observations = RandomObservations(), y = torch::randn({kRows, kSteps, kDim}).requires_grad_(true);
  {
    const torch::NoGradGuard no_grad;
    pointer.named_parameters()["query_bias"].normal_();
  }
  const Tensor out = pointer.Forward(y, observations), want = PointInLoops(pointer, y, observations);
  ASSERT_EQ(out.sizes(), want.sizes());
  EXPECT_TRUE(torch::allclose(out, want, 1e-5, 1e-6));
  std::vector<Tensor> inputs = pointer.parameters();
  inputs.push_back(y);
  const Tensor g = torch::randn_like(out);
  const auto grads = Gradients(out, g, inputs), want_grads = Gradients(want, g, inputs);
  for (size_t i = 0; i < inputs.size(); ++i)
    EXPECT_TRUE(torch::allclose(grads[i], want_grads[i], 1e-4, 1e-5)) << "input " << i;
}

TEST(CellPointer, PointsAtTheThingThatIsAskedFor) {
  torch::manual_seed(4);
  const CellPointer pointer(kLayout, 1, kDim, kLayout.count);
  {
    const torch::NoGradGuard no_grad;
    pointer.named_parameters()["query"].zero_();
    Tensor bias = pointer.named_parameters()["query_bias"];
    bias.fill_(-20);
    bias[2] = 20, bias[kLayout.kinds + 1] = 20;  // kind 2, colour 1; half of that is worth nothing
    pointer.named_parameters()["place"].copy_(torch::eye(kLayout.count));
  }
  const Tensor y = torch::zeros({1, 1, kDim});
  const auto see = [&](std::vector<uint8_t> tokens) {
    return pointer.Forward(y, torch::tensor(tokens, torch::kByte).view({1, 1, -1})).flatten();
  };
  EXPECT_NEAR(see({0, 1, 2, 0, 2, 1, 1, 1, 9})[2].item<double>(), 1, 1e-6);
  EXPECT_LT(see({0, 1, 1, 0, 0, 0, 1, 0, 9}).sum().item<double>(), 0.8) << "it is not there: the rest is for nowhere";
}

}  // namespace
}  // namespace lethe::agents
