#include "agents/memory_tally.h"

#include <cmath>

#include <gtest/gtest.h>

namespace lethe::agents {
namespace {

/// A memory of two layers with stored memories, whatever they are.
class TwoLayers : public memory::State {
 public:
  int64_t rows() const override { return 2; }
  std::vector<int64_t> resident() const override { return {6, 10}; }
  int64_t bytes() const override { return 64; }
  memory::TensorMap Save() const override { return {}; }
};

memory::BlockOutput Block() {
  memory::BlockOutput block;
  block.y = torch::zeros({2, 4, 3});
  block.spans = {torch::full({2, 4}, 1.5, torch::kDouble), torch::full({2, 4}, 9.25, torch::kDouble)};
  block.living = {.sum = {16, 80}, .max = {3, 12}, .steps = 8};
  return block;
}

TEST(MemoryTally, MeansAreOverRowsAndSteps) {
  MemoryTally tally(8);
  tally.Add(Block(), TwoLayers());
  EXPECT_EQ(tally.living(), (std::vector<double>{2, 10}));
  EXPECT_EQ(tally.living_max(), (std::vector<double>{3, 12}));
  EXPECT_EQ(tally.resident(), (std::vector<double>{3 + 4, 5 + 4}));  // bank and block
  EXPECT_EQ(tally.span_mean(), (std::vector<double>{1.5, 9.25}));
  EXPECT_EQ(tally.paper_memory_size(), 8 - 1 + (1.0 + 9.0) / 2);
  EXPECT_EQ(tally.bytes(), 32);
  EXPECT_EQ(tally.span_sample(), (std::vector<float>{1.5, 1.5, 9.25, 9.25}));
}

TEST(MemoryTally, TalliesAddUp) {
  MemoryTally sum(8), once(8);
  once.Add(Block(), TwoLayers());
  sum.Add(once);
  sum.Add(once);
  EXPECT_EQ(sum.living(), once.living());
  EXPECT_EQ(sum.resident(), once.resident());
  EXPECT_EQ(sum.paper_memory_size(), once.paper_memory_size());
}

TEST(MemoryTally, StepsBehindTheEndOfARowAreLeftOut) {
  MemoryTally tally(8);
  const uint8_t padding[] = {0, 0, 0, 0, 1, 1, 1, 1};  // the second row is over
  memory::BlockOutput block = Block();
  block.spans[0][1].fill_(1e6);
  tally.Add(block, TwoLayers(), padding);
  EXPECT_EQ(tally.living(), (std::vector<double>{4, 20}));
  EXPECT_EQ(tally.span_mean(), (std::vector<double>{1.5, 9.25}));
}

TEST(MemoryTally, WithoutSpansThePaperHasNoMemorySize) {
  memory::BlockOutput block;
  block.y = torch::zeros({2, 4, 3});
  MemoryTally tally;
  tally.Add(block, TwoLayers());
  EXPECT_TRUE(tally.living().empty());
  EXPECT_TRUE(std::isnan(tally.paper_memory_size()));
}

}  // namespace
}  // namespace lethe::agents
