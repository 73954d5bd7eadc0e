#include "agents/best_student.h"

#include <gtest/gtest.h>

namespace lethe::agents {
namespace {

TEST(BestStudent, IsTheSmallestOfThoseThatAgreed) {
  BestStudent best;
  best.Add(10), best.Add(20);
  best.EndWindow(false, true, {1});
  EXPECT_FALSE(best.exists());
  EXPECT_TRUE(best.failed);
  best.Add(12), best.Add(16);
  best.EndWindow(true, false, {2});
  EXPECT_EQ(best.parameters, std::vector<float>{2});
  EXPECT_EQ(best.living, 14);
  EXPECT_FALSE(best.failed);
  best.Add(15);
  best.EndWindow(true, false, {3});
  EXPECT_EQ(best.parameters, std::vector<float>{2}) << "remembers more";
  best.Add(9);
  best.EndWindow(false, true, {4});
  EXPECT_EQ(best.parameters, std::vector<float>{2}) << "did not agree";
  best.Add(13);
  best.EndWindow(true, false, {5});
  EXPECT_EQ(best.parameters, std::vector<float>{5});
  EXPECT_EQ(best.living, 13);
}

}  // namespace
}  // namespace lethe::agents
