#pragma once

#include <cstdint>

namespace lethe::memory {

/// C[rows, cols] = A[rows, depth] B[depth, cols], then + bias, then max(., 0) if `relu`. A and B may be transposed or
/// views: an element stands at a[i * a_row + k * a_col] and b[k * b_row + j * b_col]. Fastest where rows are many and A
/// is either contiguous in k or not much wider than it has to be.
struct MatrixProductArgs {
  int64_t rows, cols, depth;
  const float* a;
  int64_t a_row, a_col;
  const float* b;
  int64_t b_row, b_col;
  float* c;
  int64_t c_row;
  const float* bias;  ///< [cols] or null
  bool relu;
};

/// Columns are computed kPanelColumns at a time, each panel on its own: results do not depend on who computes which.
inline constexpr int64_t kPanelColumns = 32;

struct MatrixProductKernel {
  /// Panels [first, end) of the columns. Scratch: kProductScratchBytes, 64-byte aligned.
  void (*run)(const MatrixProductArgs&, int64_t first, int64_t end, void* scratch);
};
/// Longest stretch of the depth that is summed in registers.
inline constexpr int64_t kProductDepth = 1024;
inline constexpr int64_t kProductScratchBytes =
    (kProductDepth + 8) * kPanelColumns * static_cast<int64_t>(sizeof(float));

/// The fastest build that this processor runs. Threads: pure; scratch is the caller's.
const MatrixProductKernel& SelectMatrixProduct();

}  // namespace lethe::memory
