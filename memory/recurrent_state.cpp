#include "memory/recurrent_state.h"

#include "memory/check.h"

namespace lethe::memory {

using torch::Tensor;

namespace {

const Tensor& Find(const TensorMap& saved, const std::string& name) {
  const auto found = saved.find(name);
  Check(found != saved.end(), "memory state: `", name, "` is missing");
  return found->second;
}

bool SameLayout(const std::vector<CarriedVector>& a, const std::vector<CarriedVector>& b) {
  bool same = a.size() == b.size();
  for (size_t i = 0; same && i < a.size(); ++i) same = a[i].name == b[i].name && a[i].width == b[i].width;
  return same;
}

}  // namespace

int64_t RecurrentState::bytes() const {
  int64_t bytes = 0;
  for (const Tensor& x : vectors_) bytes += static_cast<int64_t>(x.nbytes());
  return bytes;
}

TensorMap RecurrentState::Save() const {
  TensorMap saved{{"clock", clock_.clone()}};
  for (size_t i = 0; i < layout_.size(); ++i) saved[layout_[i].name] = vectors_[i].cpu().contiguous().clone();
  return saved;
}

std::shared_ptr<const RecurrentState> RecurrentState::Start(const std::vector<CarriedVector>& layout, int64_t rows,
                                                            const torch::TensorOptions& options) {
  Check(rows >= 0, "memory: rows must be >= 0, got ", rows);
  std::vector<Tensor> vectors;
  for (const CarriedVector& carried : layout) vectors.push_back(torch::zeros({rows, carried.width}, options));
  return std::make_shared<RecurrentState>(layout, std::move(vectors), torch::zeros({rows}, torch::kLong));
}

const RecurrentState& RecurrentState::Of(const StatePtr& state, const std::vector<CarriedVector>& layout,
                                         const torch::TensorOptions& options) {
  const auto* mine = dynamic_cast<const RecurrentState*>(state.get());
  Check(mine != nullptr, "memory state: not the state of a memory of fixed size");
  Check(SameLayout(mine->layout_, layout), "memory state: is another memory's, which carries other vectors or widths");
  for (const Tensor& x : mine->vectors_) {
    Check(x.dtype() == options.dtype(), "memory state: is of ", x.dtype(), ", this memory of ", options.dtype());
    Check(x.device() == options.device(), "memory state: lies on ", x.device(), ", this memory on ", options.device());
  }
  return *mine;
}

StatePtr RecurrentState::Restore(const TensorMap& saved, const std::vector<CarriedVector>& layout,
                                 const torch::TensorOptions& options, const std::string& prefix) {
  const Tensor& clock = Find(saved, prefix + "clock");
  Check(clock.dim() == 1 && clock.scalar_type() == torch::kLong, "memory state: `", prefix,
        "clock` must be [rows] of int64, got ", clock.sizes(), " of ", clock.dtype());
  std::vector<Tensor> vectors;
  for (const CarriedVector& carried : layout) {
    const Tensor& x = Find(saved, prefix + carried.name);
    Check(x.dim() == 2 && x.size(0) == clock.size(0) && x.size(1) == carried.width && x.is_floating_point(),
          "memory state: `", prefix, carried.name, "` must be [", clock.size(0), ", ", carried.width,
          "] of floats, got ", x.sizes(), " of ", x.dtype());
    vectors.push_back(x.to(options).clone());
  }
  return std::make_shared<RecurrentState>(layout, std::move(vectors), clock.cpu().contiguous().clone());
}

StatePtr RecurrentState::Gather(const std::vector<int64_t>& rows) const {
  std::vector<int64_t> place;  // row `rows()` of the padded tensors is the empty one
  for (const int64_t row : rows) {
    Check(row >= -1 && row < this->rows(), "memory state: row ", row, " does not exist, allowed 0 to ",
          this->rows() - 1, ", or -1 for an empty row");
    place.push_back(row < 0 ? this->rows() : row);
  }
  const Tensor index = torch::tensor(place, torch::kLong);
  std::vector<Tensor> vectors;
  for (const Tensor& x : vectors_)
    vectors.push_back(torch::constant_pad_nd(x, {0, 0, 0, 1}).index_select(0, index.to(x.device())));
  return std::make_shared<RecurrentState>(layout_, std::move(vectors),
                                          torch::constant_pad_nd(clock_, {0, 1}).index_select(0, index));
}

}  // namespace lethe::memory
