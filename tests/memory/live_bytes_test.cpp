#include "memory/live_bytes.h"

#include <thread>

#include <gtest/gtest.h>

#include "memory/torch.h"

namespace lethe::memory {
namespace {

TEST(LiveBytes, CountsWhatIsStillThere) {
  torch::Tensor kept;
  const LiveBytes live;
  { const torch::Tensor dropped = torch::zeros({1000}); }
  EXPECT_EQ(live.bytes(), 0);
  kept = torch::zeros({100});
  EXPECT_EQ(live.bytes(), 400);
}

TEST(LiveBytes, CountsWhatIsSavedForBackward) {
  const torch::Tensor x = torch::randn({10, 100}, torch::requires_grad());
  const LiveBytes live;
  const torch::Tensor y = x.exp().sum();  // exp saves its result
  EXPECT_EQ(live.bytes(), 4 * (10 * 100 + 1));
}

TEST(LiveBytes, IsAboutItsOwnThread) {
  const LiveBytes live;
  torch::Tensor kept;
  std::thread([&] { kept = torch::zeros({100}); }).join();
  EXPECT_EQ(live.bytes(), 0);
}

}  // namespace
}  // namespace lethe::memory
