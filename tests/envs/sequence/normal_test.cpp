#include "envs/sequence/normal.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

namespace lethe::envs::sequence {
namespace {

TEST(Normal, HasTheDistributionOfAStandardNormal) {
  Stream random(3, Purpose::kTrain, 0, 0);
  constexpr int kDraws = 400'000;
  double sum = 0, squares = 0, fourth = 0;
  const std::vector<double> bounds = {-2.5, -1, -0.3, 0, 0.7, 1.6, 3};
  std::vector<int> below(bounds.size());
  for (int i = 0; i < kDraws; ++i) {
    const double drawn = DrawNormal(random);
    sum += drawn;
    squares += drawn * drawn;
    fourth += std::pow(drawn, 4);
    for (size_t k = 0; k < bounds.size(); ++k) below[k] += drawn < bounds[k];
  }
  EXPECT_NEAR(sum / kDraws, 0, 0.007);  // 4 standard errors each
  EXPECT_NEAR(squares / kDraws, 1, 0.009);
  EXPECT_NEAR(fourth / kDraws, 3, 0.065);
  for (size_t k = 0; k < bounds.size(); ++k)
    EXPECT_NEAR(below[k] / double{kDraws}, std::erfc(-bounds[k] / std::sqrt(2)) / 2, 0.0032) << bounds[k];
}

}  // namespace
}  // namespace lethe::envs::sequence
