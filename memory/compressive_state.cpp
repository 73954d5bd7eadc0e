#include "memory/compressive_state.h"

#include <algorithm>

#include "memory/check.h"

namespace lethe::memory {

using torch::Tensor;

namespace {

const int64_t* Longs(const Tensor& x) { return x.const_data_ptr<int64_t>(); }

int64_t FloorDivide(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

std::string Key(size_t layer, const char* what) { return "layer" + std::to_string(layer) + "." + what; }

Tensor FindTimes(const TensorMap& saved, const std::string& name) {
  const auto found = saved.find(name);
  Check(found != saved.end(), "memory state: `", name, "` is missing");
  Check(found->second.dim() == 1 && found->second.scalar_type() == torch::kLong, "memory state: `", name,
        "` must be [rows] of int64, got ", found->second.sizes(), " of ", found->second.dtype());
  return found->second.cpu().contiguous().clone();
}

Tensor FindHidden(const TensorMap& saved, const std::string& name, std::vector<int64_t> shape,
                  const torch::TensorOptions& options) {
  const auto found = saved.find(name);
  Check(found != saved.end(), "memory state: `", name, "` is missing");
  Check(found->second.sizes() == torch::IntArrayRef(shape) && found->second.is_floating_point(), "memory state: `",
        name, "` must be ", torch::IntArrayRef(shape), " of floats, got ", found->second.sizes(), " of ",
        found->second.dtype());
  return found->second.to(options).clone();
}

}  // namespace

int64_t CompressiveShape::SlotTime(int64_t clock, int64_t start, int64_t j) const {
  return start + (FloorDivide(clock - 1 - length - start, rate) - slots + j) * rate;
}

std::vector<int64_t> CompressiveState::resident() const {
  int64_t stored = 0;
  for (int64_t row = 0; row < rows(); ++row) {
    const int64_t clock = Longs(clock_)[row], start = Longs(start_)[row];
    stored += std::min(shape_.length, clock - start);
    for (int64_t j = 0; j <= shape_.slots; ++j) stored += shape_.SlotTime(clock, start, j) >= start ? 1 : 0;
  }
  return std::vector<int64_t>(layers_.size(), stored);
}

int64_t CompressiveState::bytes() const {
  int64_t bytes = 0;
  for (const Layer& layer : layers_) bytes += static_cast<int64_t>(layer.steps.nbytes() + layer.slots.nbytes());
  return bytes;
}

TensorMap CompressiveState::Save() const {
  TensorMap saved{{"clock", clock_.clone()}, {"start", start_.clone()}};
  for (size_t l = 0; l < layers_.size(); ++l) {
    saved[Key(l, "steps")] = layers_[l].steps.cpu().contiguous().clone();
    saved[Key(l, "slots")] = layers_[l].slots.cpu().contiguous().clone();
  }
  return saved;
}

StatePtr CompressiveState::Start(const CompressiveShape& shape, int64_t rows, int64_t start,
                                 const torch::TensorOptions& options) {
  Check(rows >= 0, "memory: rows must be >= 0, got ", rows);
  std::vector<Layer> layers;
  for (int64_t l = 0; l < shape.layers; ++l)
    layers.push_back({torch::zeros({rows, shape.length, shape.dim}, options),
                      torch::zeros({rows, shape.slots + 1, shape.dim}, options)});
  return std::make_shared<CompressiveState>(shape, std::move(layers), torch::zeros({rows}, torch::kLong),
                                            torch::full({rows}, start, torch::kLong));
}

const CompressiveState& CompressiveState::Of(const StatePtr& state, const CompressiveShape& shape,
                                             const torch::TensorOptions& options) {
  const auto* mine = dynamic_cast<const CompressiveState*>(state.get());
  Check(mine != nullptr, "memory state: not the state of a compressive memory");
  const CompressiveShape& has = mine->shape();
  Check(has.layers == shape.layers && has.dim == shape.dim && has.length == shape.length && has.slots == shape.slots &&
            has.rate == shape.rate,
        "memory state: has ", has.layers, " layers of width ", has.dim, ", length ", has.length, ", ", has.slots,
        " slots at rate ", has.rate, ", this memory ", shape.layers, ", ", shape.dim, ", ", shape.length, ", ",
        shape.slots, ", ", shape.rate);
  const Tensor& like = mine->layers()[0].steps;
  Check(like.dtype() == options.dtype(), "memory state: is of ", like.dtype(), ", this memory of ", options.dtype());
  Check(like.device() == options.device(), "memory state: lies on ", like.device(), ", this memory on ",
        options.device());
  return *mine;
}

StatePtr CompressiveState::Restore(const TensorMap& saved, const CompressiveShape& shape,
                                   const torch::TensorOptions& options) {
  const Tensor clock = FindTimes(saved, "clock"), start = FindTimes(saved, "start");
  const int64_t rows = clock.size(0);
  Check(start.size(0) == rows && (start <= clock).all().item<bool>(), "memory state: `start` must be [", rows,
        "] and not later than `clock`");
  std::vector<Layer> layers;
  for (size_t l = 0; l < static_cast<size_t>(shape.layers); ++l)
    layers.push_back({FindHidden(saved, Key(l, "steps"), {rows, shape.length, shape.dim}, options),
                      FindHidden(saved, Key(l, "slots"), {rows, shape.slots + 1, shape.dim}, options)});
  return std::make_shared<CompressiveState>(shape, std::move(layers), clock, start);
}

StatePtr CompressiveState::Gather(const std::vector<int64_t>& rows) const {
  std::vector<int64_t> place;  // behind the last row of the padded tensors: an empty one
  for (const int64_t row : rows) {
    Check(row >= -1 && row < this->rows(), "memory state: row ", row, " does not exist, allowed 0 to ",
          this->rows() - 1, ", or -1 for an empty row");
    place.push_back(row < 0 ? this->rows() : row);
  }
  const Tensor index = torch::tensor(place, torch::kLong);
  const auto gathered = [&](const Tensor& x) {
    return torch::constant_pad_nd(x, {0, 0, 0, 0, 0, 1}).index_select(0, index.to(x.device()));
  };
  std::vector<Layer> layers;
  for (const Layer& layer : layers_) layers.push_back({gathered(layer.steps), gathered(layer.slots)});
  const auto times = [&](const Tensor& x) { return torch::constant_pad_nd(x, {0, 1}).index_select(0, index); };
  return std::make_shared<CompressiveState>(shape_, std::move(layers), times(clock_), times(start_));
}

}  // namespace lethe::memory
