#pragma once

#include <cstdint>

#include "memory/torch.h"

namespace lethe::agents {

/// Where an observation shows the cells of a grid: its first 2 * count tokens, kind and colour of one cell after the
/// other. count 0: it shows none.
struct CellLayout {
  int64_t count = 0, kinds = 0, colors = 0;
};

/// Points at a thing in view and says what its place means: a pointer network over the cells (arXiv:1506.03134) that
/// looks twice, so that it can also go to what has the colour of something else.
///
///   query of a head = W y + b: one number for each kind and each colour
///   look(query)     = softmax over cells of query[kind] + query[colour]; no cell at all has 0
///   found           = for each colour but none (0), the first look's weight of all cells that have it
///   query[colour]  += sum over heads i of follow[head, i] * found of i
///   out             = sum over heads and cells of the second look's weight * place[:, head, cell]
class CellPointer : public torch::nn::Module {
 public:
  CellPointer(const CellLayout& layout, int64_t heads, int64_t dim, int64_t outputs);
  /// y [B, S, dim], observations [S, B, tokens] u8 on the CPU -> [B, S, outputs].
  torch::Tensor Forward(const torch::Tensor& y, const torch::Tensor& observations) const;
  /// Of one step, multiply-adds as two.
  double Flops() const { return 2 * static_cast<double>(query_.numel() + place_.numel()); }

 private:
  const CellLayout layout_;
  const int64_t heads_;
  torch::Tensor query_, query_bias_;  // [heads * (kinds + colors), dim], [heads * (kinds + colors)]
  torch::Tensor follow_;              // [heads, heads]
  torch::Tensor place_;               // [outputs, heads * count]
};

/// Looks at the cells in view once, with queries as a CellPointer's, and tells what it found and where:
///
///   found = for each kind and each colour, the look's weight of all cells that have it
///   out   = sum over heads of tell[:, head] * (found, the look's weights)
class CellGlance : public torch::nn::Module {
 public:
  CellGlance(const CellLayout& layout, int64_t heads, int64_t dim);
  /// y [B, S, dim], observations [S, B, tokens] u8 on the CPU -> [B, S, dim].
  torch::Tensor Forward(const torch::Tensor& y, const torch::Tensor& observations) const;
  /// Of one step, multiply-adds as two.
  double Flops() const { return 2 * static_cast<double>(query_.numel() + tell_.numel()); }

 private:
  const CellLayout layout_;
  const int64_t heads_;
  torch::Tensor query_, query_bias_;  // [heads * (kinds + colors), dim], [heads * (kinds + colors)]
  torch::Tensor tell_;                // [dim, heads * (kinds + colors + count)]
};

}  // namespace lethe::agents
