#include "agents/cell_pointer.h"

#include <cmath>

#include "memory/linear.h"

namespace lethe::agents {

namespace {

using torch::Tensor;

int64_t WordsOf(const CellLayout& layout) { return layout.kinds + layout.colors; }

Tensor QueryStart(const CellLayout& layout, int64_t heads, int64_t dim) {
  return torch::randn({heads * WordsOf(layout), dim}) / std::sqrt(static_cast<double>(dim));
}

/// The cells of a block, as words of the queries of every head.
struct CellsInView {
  Tensor kinds, colors;  // [B, S, heads, count]

  CellsInView(const Tensor& observations, const CellLayout& layout, int64_t heads, torch::Device device) {
    const Tensor cells = observations.narrow(2, 0, 2 * layout.count)
                             .to(device, torch::kLong)
                             .unflatten(2, {layout.count, 2})
                             .transpose(0, 1)
                             .unsqueeze(2)
                             .expand({observations.size(1), observations.size(0), heads, layout.count, 2});
    kinds = cells.select(4, 0), colors = cells.select(4, 1) + layout.kinds;
  }

  /// query [B, S, heads, words] -> weights of the cells [B, S, heads, count].
  Tensor Look(const Tensor& query) const {
    const Tensor nowhere = torch::zeros({query.size(0), query.size(1), query.size(2), 1}, query.options());
    const Tensor score = query.gather(3, kinds) + query.gather(3, colors);
    return torch::softmax(torch::cat({score, nowhere}, 3), 3).narrow(3, 0, kinds.size(3));
  }
};

}  // namespace

CellPointer::CellPointer(const CellLayout& layout, int64_t heads, int64_t dim, int64_t outputs)
    : layout_(layout), heads_(heads) {
  query_ = register_parameter("query", QueryStart(layout, heads, dim));
  query_bias_ = register_parameter("query_bias", torch::zeros({heads * WordsOf(layout)}));
  follow_ = register_parameter("follow", torch::ones({heads, heads}));
  place_ = register_parameter("place", torch::randn({outputs, heads * layout.count}) * 0.1);
}

Tensor CellPointer::Forward(const Tensor& y, const Tensor& observations) const {
  const CellsInView cells(observations, layout_, heads_, y.device());
  const Tensor query = memory::Linear(y, query_, query_bias_).unflatten(2, {heads_, WordsOf(layout_)});
  const Tensor found =
      torch::zeros_like(query).scatter_add(3, cells.colors, cells.Look(query)).slice(3, layout_.kinds + 1);
  const Tensor followed = torch::constant_pad_nd(torch::matmul(follow_, found), {layout_.kinds + 1, 0});
  return torch::linear(cells.Look(query + followed).flatten(2), place_);
}

CellGlance::CellGlance(const CellLayout& layout, int64_t heads, int64_t dim) : layout_(layout), heads_(heads) {
  query_ = register_parameter("query", QueryStart(layout, heads, dim));
  query_bias_ = register_parameter("query_bias", torch::zeros({heads * WordsOf(layout)}));
  tell_ = register_parameter("tell", torch::randn({dim, heads * (WordsOf(layout) + layout.count)}) * 0.1);
}

Tensor CellGlance::Forward(const Tensor& y, const Tensor& observations) const {
  const CellsInView cells(observations, layout_, heads_, y.device());
  const Tensor query = memory::Linear(y, query_, query_bias_).unflatten(2, {heads_, WordsOf(layout_)});
  const Tensor weights = cells.Look(query);
  const Tensor found =
      torch::zeros_like(query).scatter_add(3, cells.colors, weights).scatter_add(3, cells.kinds, weights);
  return torch::linear(torch::cat({found, weights}, 3).flatten(2), tell_);
}

}  // namespace lethe::agents
