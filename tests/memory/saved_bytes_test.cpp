#include "memory/saved_bytes.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <thread>

#include "tests/memory/close.h"
#include "tests/memory/memory_case.h"

namespace lethe::memory {
namespace {

using torch::Tensor;

TEST(SavedBytes, CountsEveryStorageOnceAndNoParameters) {
  const Tensor w = torch::rand({10, 10}, torch::requires_grad()), x = torch::rand({10, 10});
  const SavedBytes saved({w});
  const Tensor y = torch::mm(x, w[0].unsqueeze(0).expand({10, 10}));  // saves x, and a view of the parameter
  EXPECT_EQ(saved.bytes(), 400);
  const Tensor z = y.exp();  // saves its result
  EXPECT_EQ(saved.bytes(), 800);
  const Tensor product = z * z.view({100}).view({10, 10});  // saves the same again
  EXPECT_EQ(saved.bytes(), 800);
  const Tensor sum = product + 1;  // saves nothing
  EXPECT_EQ(saved.bytes(), 800);
}

TEST(SavedBytes, CountsThisThreadOnly) {
  const Tensor w = torch::rand({8}, torch::requires_grad());
  const SavedBytes saved({w});
  std::thread([&] { w.exp().sum().backward(); }).join();
  EXPECT_EQ(saved.bytes(), 0);
  EXPECT_TRUE(w.grad().defined());
  EXPECT_THROW(SavedBytes({w}), std::logic_error);
}

TEST(SavedBytes, NothingIsSavedWithoutGradients) {
  const Tensor w = torch::rand({8}, torch::requires_grad());
  const SavedBytes saved({w});
  const torch::NoGradGuard no_grad;
  w.exp();
  EXPECT_EQ(saved.bytes(), 0);
}

/// Counting changes no bit of a core's gradients, in the custom attention operator either.
TEST(SavedBytes, LeavesGradientsAlone) {
  const ExpireSpan core = RandomMemory(SmallOptions(), 3);
  const Blocks blocks = RandomBlocks(1, 2, 6, core.dim(), 0.2, 5);
  const StatePtr state = RandomState(core, 2, 5, 9, 100, 7);
  const auto gradients = [&](bool count) {
    std::vector<Tensor> all = core.parameters(), found;
    for (Tensor& p : all) p.mutable_grad() = Tensor();
    std::unique_ptr<SavedBytes> saved = count ? std::make_unique<SavedBytes>(all) : nullptr;
    const Tensor loss = core.Forward(blocks.x[0], blocks.starts[0], state).y.square().sum();
    if (count) EXPECT_GT(saved->bytes(), blocks.x[0].nbytes());
    saved.reset();
    loss.backward();
    for (const Tensor& p : all) found.push_back(p.grad().defined() ? p.grad().clone() : torch::zeros_like(p));
    return found;
  };
  const auto plain = gradients(false), counted = gradients(true);
  for (size_t i = 0; i < plain.size(); ++i) EXPECT_TRUE(SameBits(plain[i], counted[i])) << i;
}

}  // namespace
}  // namespace lethe::memory
