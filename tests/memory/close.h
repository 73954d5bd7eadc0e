#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "memory/torch.h"

namespace lethe::memory {

/// Largest difference, relative to 1 + max|want|; infinite where either is not finite.
inline double RelativeError(const torch::Tensor& got, const torch::Tensor& want) {
  if (want.numel() == 0) return 0;
  const torch::Tensor a = got.detach().cpu().to(torch::kDouble), b = want.detach().cpu().to(torch::kDouble);
  const double error = ((a - b).abs().max() / (1 + b.abs().max())).item<double>();
  return std::isfinite(error) ? error : std::numeric_limits<double>::infinity();
}

/// Same shape, and RelativeError at most `tolerance`.
inline void ExpectClose(const torch::Tensor& got, const torch::Tensor& want, double tolerance,
                        const std::string& what) {
  ASSERT_TRUE(got.defined()) << what << " is missing";
  ASSERT_EQ(got.sizes(), want.sizes()) << what;
  EXPECT_LE(RelativeError(got, want), tolerance) << what;
}

/// Bit for bit, NaN included.
inline bool SameBits(const torch::Tensor& a, const torch::Tensor& b) {
  const torch::Tensor x = a.detach().cpu().contiguous(), y = b.detach().cpu().contiguous();
  if (x.sizes() != y.sizes() || x.dtype() != y.dtype()) return false;
  return x.nbytes() == 0 || std::memcmp(x.const_data_ptr(), y.const_data_ptr(), x.nbytes()) == 0;
}

}  // namespace lethe::memory
