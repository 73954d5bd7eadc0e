#pragma once

#include <cstdint>

#include "memory/torch.h"

namespace lethe::agents {

/// Where an observation shows the cells of a grid: its first 2 * count tokens, kind and colour of one cell after the
/// other. count 0: it shows none.
struct CellLayout {
  int64_t count = 0, kinds = 0, colors = 0;
};

/// Looks for a thing in view and says what its place means, a pointer network over the cells (arXiv:1506.03134). Every
/// head makes a query of what the core says: one number for each kind and each colour. A cell's weight is the softmax
/// over the query's numbers for its kind and colour, added; that of no cell at all has 0. Places mean what they mean
/// linearly: out = sum over heads and cells of weight * place.
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
  torch::Tensor place_;               // [outputs, heads * count]
};

}  // namespace lethe::agents
