// Our matrix product against torch's, in every build, for sizes with and without whole panels, rows and depths.

#include "memory/linear.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "memory/kernels/dispatch.h"
#include "memory/torch.h"
#include "tests/memory/attention_case.h"
#include "tests/memory/close.h"
#include "tests/memory/error_text.h"

namespace lethe::memory {
namespace {

using torch::Tensor;

struct Result {
  Tensor y, x, weight, bias;
};

/// Output and gradients of one layer, computed by `linear` in the type of the inputs.
template <class F>
Result Differentiated(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& grad, F linear) {
  Result r{{},
           x.detach().clone().requires_grad_(true),
           weight.detach().clone().requires_grad_(true),
           bias.detach().clone().requires_grad_(true)};
  r.y = linear(r.x, r.weight, r.bias);
  r.y.backward(grad.to(r.y.dtype()));
  return r;
}

class LinearSizes : public testing::TestWithParam<std::vector<int64_t>> {};

TEST_P(LinearSizes, EqualsTorch) {
  torch::manual_seed(3);
  const auto& size = GetParam();
  const int64_t rows = size[0], in = size[1], out = size[2];
  const Tensor x = torch::randn({rows, in}), weight = torch::randn({out, in}), bias = torch::randn({out}),
               grad = torch::randn({rows, out});
  for (const bool relu : {false, true}) {
    const auto exact = [relu](const Tensor& a, const Tensor& w, const Tensor& b) {
      const Tensor y = torch::linear(a, w, b);
      return relu ? torch::relu(y) : y;
    };
    const Result want =
        Differentiated(x.to(torch::kDouble), weight.to(torch::kDouble), bias.to(torch::kDouble), grad, exact);
    for (const Isa isa : RunnableBuilds()) {
      const IsaScope scope(isa);
      const Result got =
          Differentiated(x, weight, bias, grad,
                         [relu](const Tensor& a, const Tensor& w, const Tensor& b) { return Linear(a, w, b, relu); });
      const double tolerance = 2e-6;
      ExpectClose(got.y, want.y, tolerance, "y");
      ExpectClose(got.x.grad(), want.x.grad(), tolerance, "dx");
      ExpectClose(got.weight.grad(), want.weight.grad(), tolerance, "dW");
      ExpectClose(got.bias.grad(), want.bias.grad(), tolerance, "db");
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, LinearSizes,
                         testing::Values(std::vector<int64_t>{1, 1, 1}, std::vector<int64_t>{7, 5, 3},
                                         std::vector<int64_t>{8, 64, 32}, std::vector<int64_t>{9, 33, 70},
                                         std::vector<int64_t>{65, 1100, 31}, std::vector<int64_t>{1200, 40, 96},
                                         std::vector<int64_t>{0, 4, 5}),
                         [](const auto& param) {
                           return std::to_string(param.param[0]) + "x" + std::to_string(param.param[1]) + "x" +
                                  std::to_string(param.param[2]);
                         });

TEST(Linear, TakesViewsAndMoreDimensions) {
  torch::manual_seed(4);
  const Tensor wide = torch::randn({3, 5, 20}), weight = torch::randn({6, 20}).slice(1, 4, 16);
  const Tensor x = wide.slice(2, 2, 14);
  ExpectClose(Linear(x, weight), torch::linear(x, weight), 1e-6, "y");
}

TEST(Linear, OtherTypesGoThroughTorch) {
  const Tensor x = torch::randn({4, 6}, torch::kDouble), weight = torch::randn({3, 6}, torch::kDouble);
  EXPECT_TRUE(torch::equal(Linear(x, weight, {}, true), torch::relu(torch::linear(x, weight))));
}

TEST(DeterminismLinear, ThreadsDoNotChangeBits) {
  torch::manual_seed(5);
  const Tensor x = torch::randn({130, 70}), weight = torch::randn({200, 70});
  const Tensor one = Linear(x, weight);
  at::set_num_threads(3);
  EXPECT_TRUE(torch::equal(Linear(x, weight), one));
  at::set_num_threads(1);
}

TEST(LinearErrors, NameTheSizes) {
  EXPECT_EQ(ErrorText([] {
              Linear(torch::zeros({2, 3}), torch::zeros({4, 5}));
            }),
            "linear: x [2, 3] of float does not fit a weight [4, 5] of float");
  EXPECT_EQ(ErrorText([] {
              Linear(torch::zeros({2, 5}), torch::zeros({4, 5}), torch::zeros({3}));
            }),
            "linear: the bias does not fit a weight [4, 5]");
}

}  // namespace
}  // namespace lethe::memory
