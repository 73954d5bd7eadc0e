// The same as lanes_test.cpp with AVX-512's shuffles.

#define LETHE_ISA lanes_test_avx512
#include <gtest/gtest.h>

#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl")
#include "tests/memory/lanes_checks.h"

namespace lethe::memory {
namespace {

TEST(Lanes, GoWhereTheyBelongWithAvx512) {
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw")) GTEST_SKIP() << "no AVX-512 here";
  EXPECT_EQ(lanes_test_avx512::WrongInTranspose<float>(), 0);
  EXPECT_EQ(lanes_test_avx512::WrongInTranspose<double>(), 0);
  EXPECT_EQ(lanes_test_avx512::WrongInSkew<float>(), 0);
  EXPECT_EQ(lanes_test_avx512::WrongInSkew<double>(), 0);
  EXPECT_EQ(lanes_test_avx512::WrongInDoubleSum<float>(), 0);
  EXPECT_EQ(lanes_test_avx512::WrongInDoubleSum<double>(), 0);
}

}  // namespace
}  // namespace lethe::memory
