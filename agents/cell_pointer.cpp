#include "agents/cell_pointer.h"

#include <cmath>

#include "memory/linear.h"

namespace lethe::agents {

using torch::Tensor;

CellPointer::CellPointer(const CellLayout& layout, int64_t heads, int64_t dim, int64_t outputs)
    : layout_(layout), heads_(heads) {
  const int64_t words = layout.kinds + layout.colors;
  query_ = register_parameter("query", torch::randn({heads * words, dim}) / std::sqrt(static_cast<double>(dim)));
  query_bias_ = register_parameter("query_bias", torch::zeros({heads * words}));
  follow_ = register_parameter("follow", torch::ones({heads, heads}));
  place_ = register_parameter("place", torch::randn({outputs, heads * layout.count}) * 0.1);
}

Tensor CellPointer::Forward(const Tensor& y, const Tensor& observations) const {
  const int64_t rows = y.size(0), steps = y.size(1), words = layout_.kinds + layout_.colors;
  const Tensor cells = observations.narrow(2, 0, 2 * layout_.count)
                           .to(y.device(), torch::kLong)
                           .unflatten(2, {layout_.count, 2})
                           .transpose(0, 1)
                           .unsqueeze(2)
                           .expand({rows, steps, heads_, layout_.count, 2});
  const Tensor kinds = cells.select(4, 0), colors = cells.select(4, 1) + layout_.kinds;  // as words of a query
  const Tensor nowhere = torch::zeros({rows, steps, heads_, 1}, y.options());
  const auto look = [&](const Tensor& query) {
    const Tensor score = query.gather(3, kinds) + query.gather(3, colors);
    return torch::softmax(torch::cat({score, nowhere}, 3), 3).narrow(3, 0, layout_.count);
  };
  const Tensor query = memory::Linear(y, query_, query_bias_).view({rows, steps, heads_, words});
  const Tensor found = torch::zeros_like(query).scatter_add(3, colors, look(query)).slice(3, layout_.kinds + 1);
  const Tensor followed = torch::constant_pad_nd(torch::matmul(follow_, found), {layout_.kinds + 1, 0});
  return torch::linear(look(query + followed).flatten(2), place_);
}

}  // namespace lethe::agents
