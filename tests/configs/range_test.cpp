#include "configs/range.h"

#include <cmath>
#include <cstdint>
#include <limits>

#include <gtest/gtest.h>

namespace lethe::configs {
namespace {

TEST(Range, IsClosed) {
  const Range range{0, 1};
  EXPECT_TRUE(Contains(range, 0));
  EXPECT_TRUE(Contains(range, 1));
  EXPECT_FALSE(Contains(range, -1e-300L));
  EXPECT_FALSE(Contains(range, std::nextafter(1.0, 2.0)));
  EXPECT_FALSE(Contains(range, std::nan("")));
}

TEST(Range, CanLeaveOutItsLowerEnd) {
  const Range range{.lo = 0, .hi = 100, .lo_open = true};
  EXPECT_FALSE(Contains(range, 0));
  EXPECT_TRUE(Contains(range, std::numeric_limits<double>::denorm_min()));
}

TEST(Range, StepsFromItsLowerEnd) {
  EXPECT_TRUE(Contains({3, 15, 2}, 3));
  EXPECT_TRUE(Contains({3, 15, 2}, 15));
  EXPECT_FALSE(Contains({3, 15, 2}, 4));
  EXPECT_TRUE(Contains({0, 1, 0.1}, 0.3));  // 0.3 is not 3 * 0.1 in binary
  EXPECT_FALSE(Contains({0, 1, 0.1}, 0.35));
}

TEST(Range, ComparesLargeIntegersExactly) {
  const int64_t limit = int64_t{1} << 60;
  const Range range{0, static_cast<double>(limit)};
  EXPECT_TRUE(Contains(range, limit));
  EXPECT_FALSE(Contains(range, limit + 1));  // the same double as limit
}

TEST(Range, DescribesItself) {
  EXPECT_EQ(Describe(Range{0, 1}), "0..1");
  EXPECT_EQ(Describe(Range{0}), ">= 0");
  EXPECT_EQ(Describe(Range{.hi = 5}), "<= 5");
  EXPECT_EQ(Describe(Range{}), "");
  EXPECT_EQ(Describe(Range{3, 15, 2}), "odd, 3..15");
  EXPECT_EQ(Describe(Range{2, 16, 2}), "even, 2..16");
  EXPECT_EQ(Describe(Range{0, 50, 5}), "steps of 5, 0..50");
  EXPECT_EQ(Describe(Range{1, 1'000'000}), "1..1000000");
  EXPECT_EQ(Describe(Range{.lo = 0, .hi = 100, .lo_open = true}), "> 0, <= 100");
  EXPECT_EQ(Describe(Range{.lo = 0, .lo_open = true}), "> 0");
}

TEST(OneOf, DescribesItself) {
  EXPECT_EQ(Describe(OneOf{{"a2c"}}), "a2c");
  EXPECT_EQ(Describe(OneOf{{"sides", "random"}}), "sides or random");
  EXPECT_EQ(Describe(OneOf{{"red", "green", "blue"}}), "red, green or blue");
}

}  // namespace
}  // namespace lethe::configs
