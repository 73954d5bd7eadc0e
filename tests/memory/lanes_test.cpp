// Transposed and skewed matrices and sums of lanes, as plain x86 does them.

#define LETHE_ISA lanes_test
#include <gtest/gtest.h>

#pragma GCC diagnostic ignored "-Wpsabi"  // all of it is inlined here
#include "tests/memory/lanes_checks.h"

namespace lethe::memory {
namespace {

TEST(Lanes, GoWhereTheyBelong) {
  EXPECT_EQ(lanes_test::WrongInTranspose<float>(), 0);
  EXPECT_EQ(lanes_test::WrongInTranspose<double>(), 0);
  EXPECT_EQ(lanes_test::WrongInSkew<float>(), 0);
  EXPECT_EQ(lanes_test::WrongInSkew<double>(), 0);
  EXPECT_EQ(lanes_test::WrongInDoubleSum<float>(), 0);
  EXPECT_EQ(lanes_test::WrongInDoubleSum<double>(), 0);
}

}  // namespace
}  // namespace lethe::memory
