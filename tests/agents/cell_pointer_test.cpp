// How policies point at cells in view, against plain loops over them.

#include "agents/cell_pointer.h"

#include <gtest/gtest.h>

#include <cmath>

namespace lethe::agents {
namespace {

using torch::Tensor;

constexpr CellLayout kLayout{.count = 4, .kinds = 3, .colors = 3};
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

/// Weights of the cells by a query of one head, in a loop.
std::vector<Tensor> Look(const Tensor& query, const std::vector<Cell>& cells) {
  std::vector<Tensor> weights;
  Tensor sum = torch::ones({});  // no cell at all
  for (const Cell& cell : cells) {
    weights.push_back((query[cell.kind] + query[kLayout.kinds + cell.color]).exp());
    sum = sum + weights.back();
  }
  for (Tensor& weight : weights) weight = weight / sum;
  return weights;
}

/// The pointer in loops over heads and cells, from its parameters and y, so that autograd can follow.
Tensor PointInLoops(const CellPointer& pointer, const Tensor& y, const Tensor& observations) {
  const auto parameters = pointer.named_parameters();
  const int64_t words = kLayout.kinds + kLayout.colors;
  std::vector<Tensor> outputs;
  for (int64_t row = 0; row < kRows; ++row) {
    for (int64_t step = 0; step < kSteps; ++step) {
      std::vector<Cell> cells;
      for (int64_t i = 0; i < kLayout.count; ++i) cells.push_back(CellOf(observations, step, row, i));
      const Tensor queries =
          (torch::mv(parameters["query"], y[row][step]) + parameters["query_bias"]).view({-1, words});
      std::vector<std::vector<Tensor>> found;  // [head][colour]
      for (int64_t head = 0; head < kHeads; ++head) {
        const auto weights = Look(queries[head], cells);
        found.emplace_back(kLayout.colors, torch::zeros({}));
        for (size_t i = 0; i < cells.size(); ++i) {
          Tensor& of_color = found.back()[static_cast<size_t>(cells[i].color)];
          of_color = of_color + weights[i];
        }
      }
      Tensor out = torch::zeros({kOutputs});
      for (int64_t head = 0; head < kHeads; ++head) {
        std::vector<Tensor> query = queries[head].unbind();
        for (int64_t color = 1; color < kLayout.colors; ++color)
          for (int64_t from = 0; from < kHeads; ++from)
            query[static_cast<size_t>(kLayout.kinds + color)] =
                query[static_cast<size_t>(kLayout.kinds + color)] +
                parameters["follow"][head][from] * found[static_cast<size_t>(from)][static_cast<size_t>(color)];
        const auto weights = Look(torch::stack(query), cells);
        for (size_t i = 0; i < cells.size(); ++i)
          out = out + weights[i] * parameters["place"].select(1, head * kLayout.count + static_cast<int64_t>(i));
      }
      outputs.push_back(out);
    }
  }
  return torch::stack(outputs).view({kRows, kSteps, kOutputs});
}

/// The glance in loops, in the same way.
Tensor GlanceInLoops(const CellGlance& glance, const Tensor& y, const Tensor& observations) {
  const auto parameters = glance.named_parameters();
  const int64_t words = kLayout.kinds + kLayout.colors;
  std::vector<Tensor> outputs;
  for (int64_t row = 0; row < kRows; ++row) {
    for (int64_t step = 0; step < kSteps; ++step) {
      std::vector<Cell> cells;
      for (int64_t i = 0; i < kLayout.count; ++i) cells.push_back(CellOf(observations, step, row, i));
      const Tensor queries =
          (torch::mv(parameters["query"], y[row][step]) + parameters["query_bias"]).view({-1, words});
      Tensor out = torch::zeros({kDim});
      for (int64_t head = 0; head < kHeads; ++head) {
        const auto weights = Look(queries[head], cells);
        const int64_t first = head * (words + kLayout.count);
        for (size_t i = 0; i < cells.size(); ++i)
          for (const int64_t column : {cells[i].kind, kLayout.kinds + cells[i].color, words + static_cast<int64_t>(i)})
            out = out + weights[i] * parameters["tell"].select(1, first + column);
      }
      outputs.push_back(out);
    }
  }
  return torch::stack(outputs).view({kRows, kSteps, kDim});
}

TEST(CellGlance, TellsWhatItFoundAndWhere) {
  torch::manual_seed(6);
  const CellGlance glance(kLayout, kHeads, kDim);
  const Tensor observations = RandomObservations(), y = torch::randn({kRows, kSteps, kDim}).requires_grad_(true);
  {
    const torch::NoGradGuard no_grad;
    glance.named_parameters()["query_bias"].normal_();
  }
  const Tensor out = glance.Forward(y, observations), want = GlanceInLoops(glance, y, observations);
  ASSERT_EQ(out.sizes(), want.sizes());
  EXPECT_TRUE(torch::allclose(out, want, 1e-5, 1e-6));
  std::vector<Tensor> inputs = glance.parameters();
  inputs.push_back(y);
  const Tensor g = torch::randn_like(out);
  const auto grads = Gradients(out, g, inputs), want_grads = Gradients(want, g, inputs);
  for (size_t i = 0; i < inputs.size(); ++i)
    EXPECT_TRUE(torch::allclose(grads[i], want_grads[i], 1e-4, 1e-5)) << "input " << i;
}

TEST(CellPointer, WeighsPlacesByWhatLiesThere) {
  torch::manual_seed(3);
  const CellPointer pointer(kLayout, kHeads, kDim, kOutputs);
  const Tensor observations = RandomObservations(), y = torch::randn({kRows, kSteps, kDim}).requires_grad_(true);
  {
    const torch::NoGradGuard no_grad;
    pointer.named_parameters()["query_bias"].normal_();
    pointer.named_parameters()["follow"].normal_();
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

/// A pointer of one head with a query of these numbers whatever the core says; its outputs are the cells' weights.
struct Pointed {
  CellPointer pointer{kLayout, 1, kDim, kLayout.count};

  explicit Pointed(const std::vector<float>& query) {
    const torch::NoGradGuard no_grad;
    pointer.named_parameters()["query"].zero_();
    pointer.named_parameters()["query_bias"].copy_(torch::tensor(query));
    pointer.named_parameters()["follow"].fill_(10);
    pointer.named_parameters()["place"].copy_(torch::eye(kLayout.count));
  }
  Tensor See(std::vector<uint8_t> tokens) const {
    return pointer.Forward(torch::zeros({1, 1, kDim}), torch::tensor(tokens, torch::kByte).view({1, 1, -1})).flatten();
  }
};

TEST(CellPointer, PointsAtTheThingThatIsAskedFor) {
  torch::manual_seed(4);
  const Pointed p({-20, -20, 20, -20, -20, 20});  // kind 2, colour 2; one of the two is worth nothing
  EXPECT_NEAR(p.See({0, 1, 2, 1, 2, 2, 1, 2, 9})[2].item<double>(), 1, 1e-6);
  EXPECT_LT(p.See({0, 1, 1, 1, 0, 0, 1, 1, 9}).sum().item<double>(), 1e-6) << "it is not there";
}

TEST(CellPointer, GoesToWhatHasTheColourOfWhatItFinds) {
  torch::manual_seed(5);
  // Kind 1 of any colour is found; among cells of kind 2 that of its colour weighs most then.
  const Pointed p({-30, 4, 0, 0, 0, 0});
  const Tensor seen = p.See({2, 1, 1, 2, 2, 2, 0, 0, 9}), other = p.See({2, 1, 1, 1, 2, 2, 0, 0, 9});
  EXPECT_GT(seen[2].item<double>(), 100 * seen[0].item<double>());
  EXPECT_GT(other[0].item<double>(), 100 * other[2].item<double>());
}

}  // namespace
}  // namespace lethe::agents
