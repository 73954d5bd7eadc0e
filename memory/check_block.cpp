#include "memory/check_block.h"

#include <cmath>

#include "memory/check.h"
#include "memory/torch.h"

namespace lethe::memory {

using torch::Tensor;

namespace {

void CheckFinite(const Tensor& x) {
  const int64_t wrong = x.isfinite().logical_not().sum().item<int64_t>();
  if (wrong == 0) return;
  std::ostringstream message;
  message << "memory: x must be finite, got " << wrong << " of " << x.numel() << " elements that are NaN or infinite";
  throw NotFinite(message.str());
}

}  // namespace

void CheckBlock(const Tensor& x, const Tensor& episode_start, int64_t rows, int64_t dim, const Tensor& like,
                int64_t lookahead) {
  Check(x.dim() == 3 && x.size(2) == dim && x.dtype() == like.dtype(), "memory: x must be [B, T, ", dim, "] of ",
        like.dtype(), ", got ", x.sizes(), " of ", x.dtype());
  Check(x.device() == like.device(), "memory: x lies on ", x.device(), ", this memory on ", like.device());
  Check(episode_start.sizes() == x.sizes().slice(0, 2) && episode_start.is_cpu(), "memory: episode_start must be ",
        x.sizes().slice(0, 2), " on the CPU, got ", episode_start.sizes(), " on ", episode_start.device());
  Check(x.size(0) == rows, "memory: x has ", x.size(0), " rows, the state ", rows);
  Check(lookahead >= 0 && lookahead < x.size(1), "memory: lookahead must leave a step of the block's ", x.size(1),
        ", got ", lookahead);
  const torch::NoGradGuard no_grad;
  // A sum is finite if all it adds is, short of overflow, and costs one pass.
  if (!std::isfinite(x.sum().item<double>())) CheckFinite(x);
}

Tensor AddBetween(const Between& between, size_t layer, const Tensor& y) {
  const Tensor added = between(layer, y);
  if (!added.defined()) return y;
  Check(added.sizes() == y.sizes() && added.dtype() == y.dtype() && added.device() == y.device(),
        "memory: what is added behind layer ", layer, " must be ", y.sizes(), " of ", y.dtype(), " on ", y.device(),
        ", got ", added.sizes(), " of ", added.dtype(), " on ", added.device());
  return y + added;
}

void RefuseBetween(const Between& between) {
  Check(!between, "memory: this core has no layers between which something could be added");
}

}  // namespace lethe::memory
