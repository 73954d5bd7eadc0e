#pragma once

// Matrix products for one machine: a panel of B's columns is copied to lie densely, then all rows of A pass by.

#include "memory/kernels/matrix_product.h"
#include "memory/kernels/simd.h"

namespace lethe::memory::LETHE_ISA {

/// Columns [first, first + columns) and depths [from, from + depth) of B as [depth, kPanelColumns], padded with zeros.
inline void PackPanel(const MatrixProductArgs& p, int64_t first, int64_t columns, int64_t from, int64_t depth,
                      float* to) {
  const float* b = p.b + from * p.b_row + first * p.b_col;
  if (columns < kPanelColumns)
    for (int64_t i = 0; i < depth * kPanelColumns; ++i) to[i] = 0;
  if (p.b_col == 1) {
    for (int64_t k = 0; k < depth; ++k)
      for (int64_t j = 0; j < columns; ++j) to[k * kPanelColumns + j] = b[k * p.b_row + j];
  } else {
    for (int64_t j = 0; j < columns; ++j)
      for (int64_t k = 0; k < depth; ++k) to[k * kPanelColumns + j] = b[k * p.b_row + j * p.b_col];
  }
}

inline void Finish(const MatrixProductArgs& p, int64_t first, int64_t columns) {
  if (p.bias == nullptr && !p.relu) return;
  float bias[kPanelColumns] = {};
  for (int64_t j = 0; j < columns && p.bias != nullptr; ++j) bias[j] = p.bias[first + j];
  for (int64_t i = 0; i < p.rows; ++i) {
    float* c = p.c + i * p.c_row + first;
    for (int64_t j = 0; j < columns; ++j) c[j] += bias[j];
    if (p.relu)
      for (int64_t j = 0; j < columns; ++j) c[j] = c[j] > 0 ? c[j] : 0;
  }
}

/// A panel that is not whole: kGroupRows rows at a time by way of `edge`.
inline void ProductEdge(const MatrixProductArgs& p, const float* a, const float* panel, int64_t depth, int64_t columns,
                        float* c, bool accumulate, float* edge) {
  constexpr int64_t kGroupRows = 8;
  for (int64_t i = 0; i < p.rows; i += kGroupRows) {
    const int64_t rows = p.rows - i < kGroupRows ? p.rows - i : kGroupRows;
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t j = 0; j < columns && accumulate; ++j) edge[r * kPanelColumns + j] = c[(i + r) * p.c_row + j];
    Product(rows, kPanelColumns, depth, a + i * p.a_row, p.a_row, p.a_col, panel, kPanelColumns, edge, kPanelColumns,
            accumulate);
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t j = 0; j < columns; ++j) c[(i + r) * p.c_row + j] = edge[r * kPanelColumns + j];
  }
}

inline void RunPanels(const MatrixProductArgs& p, int64_t first_panel, int64_t end_panel, void* scratch) {
  auto* panel = static_cast<float*>(scratch);
  float* edge = panel + kProductDepth * kPanelColumns;
  for (int64_t at = first_panel * kPanelColumns; at < end_panel * kPanelColumns; at += kPanelColumns) {
    const int64_t columns = p.cols - at < kPanelColumns ? p.cols - at : kPanelColumns;
    int64_t from = 0;
    do {  // once even without depth: the sum of nothing is zero
      const int64_t depth = p.depth - from < kProductDepth ? p.depth - from : kProductDepth;
      PackPanel(p, at, columns, from, depth, panel);
      const float* a = p.a + from * p.a_col;
      if (columns == kPanelColumns) {
        Product(p.rows, kPanelColumns, depth, a, p.a_row, p.a_col, panel, kPanelColumns, p.c + at, p.c_row, from > 0);
      } else {
        for (int64_t i = 0; i < 8 * kPanelColumns; ++i) edge[i] = 0;
        ProductEdge(p, a, panel, depth, columns, p.c + at, from > 0, edge);
      }
      from += kProductDepth;
    } while (from < p.depth);
    Finish(p, at, columns);
  }
}

constexpr MatrixProductKernel kProductKernel = {RunPanels};

}  // namespace lethe::memory::LETHE_ISA
