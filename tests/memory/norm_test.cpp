// Our layer norm against torch's in double, in every build, for rows with and without whole vectors.

#include "memory/norm.h"

#include <gtest/gtest.h>

#include "memory/kernels/dispatch.h"
#include "memory/torch.h"
#include "tests/memory/attention_case.h"
#include "tests/memory/close.h"
#include "tests/memory/error_text.h"

namespace lethe::memory {
namespace {

using torch::Tensor;

struct Inputs {
  Tensor x, weight, bias, part;

  Inputs In(torch::Dtype dtype) const {
    const auto leaf = [dtype](const Tensor& t) {
      return t.defined() ? t.detach().to(dtype).clone().requires_grad_(true) : Tensor();
    };
    return {leaf(x), leaf(weight), leaf(bias), leaf(part)};
  }
};

/// Ours in the type of the inputs, output and gradients, in every build, against torch in double.
void ExpectNormOfTorch(const Inputs& inputs, const Tensor& grad, double tolerance) {
  const int64_t cols = inputs.x.size(-1);
  const Inputs exact = inputs.In(torch::kDouble);
  const Tensor z = exact.part.defined() ? exact.x + exact.part : exact.x;
  const Tensor want = torch::layer_norm(z, {cols}, exact.weight, exact.bias, 1e-5);
  want.backward(grad.to(torch::kDouble));
  for (const Isa isa : RunnableBuilds()) {
    const IsaScope scope(isa);
    const Inputs ours = inputs.In(inputs.x.scalar_type());
    const Tensor got = Norm(ours.x, ours.weight, ours.bias, ours.part);
    got.backward(grad);
    ExpectClose(got, want, tolerance, "y");
    ExpectClose(ours.x.grad(), exact.x.grad(), tolerance, "dx");
    ExpectClose(ours.weight.grad(), exact.weight.grad(), tolerance, "dweight");
    ExpectClose(ours.bias.grad(), exact.bias.grad(), tolerance, "dbias");
    if (ours.part.defined()) ExpectClose(ours.part.grad(), exact.x.grad(), tolerance, "dpart");
  }
}

class NormSizes : public testing::TestWithParam<std::vector<int64_t>> {};

TEST_P(NormSizes, EqualsTorch) {
  torch::manual_seed(6);
  const int64_t rows = GetParam()[0], cols = GetParam()[1];
  const Tensor grad = torch::randn({rows, cols});
  for (const bool has_part : {false, true})
    ExpectNormOfTorch({torch::randn({rows, cols}) + 3, torch::randn({cols}), torch::randn({cols}),
                       has_part ? torch::randn({rows, cols}) : Tensor()},
                      grad, 3e-6);
}

INSTANTIATE_TEST_SUITE_P(Sizes, NormSizes,
                         testing::Values(std::vector<int64_t>{1, 16}, std::vector<int64_t>{7, 5},
                                         std::vector<int64_t>{33, 64}, std::vector<int64_t>{4, 100},
                                         std::vector<int64_t>{0, 8}),
                         [](const auto& param) {
                           return std::to_string(param.param[0]) + "x" + std::to_string(param.param[1]);
                         });

/// Stored in bfloat16, computed in float: off by the rounding of what is stored, 2^-8 of each number.
TEST(Norm, ComputesBfloat16InFloat) {
  torch::manual_seed(9);
  const auto normal = [](std::vector<int64_t> shape) { return torch::randn(shape).to(torch::kBFloat16); };
  for (const int64_t cols : {64, 37})
    ExpectNormOfTorch({normal({50, cols}) + 3, normal({cols}), normal({cols}), normal({50, cols})}, normal({50, cols}),
                      0x1p-8);
}

TEST(Norm, TakesViewsAndMoreDimensions) {
  torch::manual_seed(7);
  const Tensor wide = torch::randn({3, 5, 20}), weight = torch::randn({12}), bias = torch::randn({12});
  const Tensor x = wide.slice(2, 2, 14);
  ExpectClose(Norm(x, weight, bias, x), torch::layer_norm(x + x, {12}, weight, bias, 1e-5), 1e-6, "y");
}

TEST(Norm, OtherTypesGoThroughTorch) {
  const Tensor x = torch::randn({4, 6}, torch::kDouble), weight = torch::randn({6}, torch::kDouble);
  EXPECT_TRUE(torch::equal(Norm(x, weight, weight, x), torch::layer_norm(x + x, {6}, weight, weight, 1e-5)));
}

TEST(NormErrors, NameTheSizes) {
  EXPECT_EQ(ErrorText([] {
              Norm(torch::zeros({2, 3}), torch::zeros({4}), torch::zeros({4}));
            }),
            "norm: x [2, 3] does not fit a weight [4] and a bias [4]");
  EXPECT_EQ(ErrorText([] {
              Norm(torch::zeros({2, 3}), torch::zeros({3}), torch::zeros({3}), torch::zeros({3}));
            }),
            "norm: x [2, 3] of float and what is added to it [3] of float do not fit");
}

}  // namespace
}  // namespace lethe::memory
