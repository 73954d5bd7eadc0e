#include "agents/inspection.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <stdexcept>

#include "memory/kernels/span_mask.h"

namespace lethe::agents {

namespace {

using torch::Tensor;

/// Bytes [from, to) as [1, T]. The tensor looks into the text.
Tensor Bytes(const std::string& text, int64_t from, int64_t to) {
  return torch::from_blob(const_cast<char*>(text.data()) + from, {1, to - from}, torch::kUInt8);
}

/// -log2 of the probability that each position's logits [T, labels] give to the byte that follows.
void AddBits(const Tensor& logits, const std::string& text, int64_t from, std::vector<double>& bits) {
  const Tensor nats = -torch::log_softmax(logits.to(torch::kDouble), 1).cpu().contiguous();
  for (int64_t t = 0; t < nats.size(0) && from + t + 1 < static_cast<int64_t>(text.size()); ++t) {
    const auto next = static_cast<unsigned char>(text[static_cast<size_t>(from + t + 1)]);
    bits.push_back(nats.const_data_ptr<double>()[t * nats.size(1) + next] / std::numbers::ln2);
  }
}

void AddSpans(const std::vector<Tensor>& spans, Inspection& result) {
  result.spans.resize(spans.size());
  for (size_t l = 0; l < spans.size(); ++l) {
    const Tensor layer = spans[l].cpu().contiguous();
    result.spans[l].insert(result.spans[l].end(), layer.const_data_ptr<double>(),
                           layer.const_data_ptr<double>() + layer.numel());
  }
}

}  // namespace

std::vector<int64_t> Inspection::LivingAt(size_t layer, int64_t at) const {
  std::vector<int64_t> bytes;
  for (int64_t i = 0; i < at; ++i)
    if (memory::SpanMask(spans[layer][static_cast<size_t>(i)] - static_cast<double>(at - i), ramp) > 0)
      bytes.push_back(i);
  return bytes;
}

Inspection Inspect(const SequenceModel& model, const std::string& text, int64_t block, double ramp) {
  if (text.empty()) throw std::invalid_argument("there is no text to inspect: it is empty");
  if (!(ramp > 0))
    throw std::invalid_argument("this run's memory predicts no spans; inspect needs memory.core expire_span");
  const torch::NoGradGuard no_grad;
  Inspection result;
  result.text = text;
  result.ramp = ramp;
  const auto size = static_cast<int64_t>(text.size());
  memory::StatePtr state = model.core().Start(1);
  std::vector<double> sums;
  for (int64_t from = 0; from < size; from += block) {
    const int64_t to = std::min(size, from + block);
    const Tensor start = torch::zeros({1, to - from}, torch::kUInt8);
    const memory::BlockOutput out = model.Forward(Bytes(text, from, to), start, state, true);
    AddBits(model.Head(out.y)[0], text, from, result.bits);
    AddSpans(out.spans, result);
    sums.resize(out.living.sum.size()), result.living_max.resize(out.living.max.size());
    for (size_t l = 0; l < sums.size(); ++l) {
      sums[l] += out.living.sum[l];
      result.living_max[l] = std::max(result.living_max[l], static_cast<int64_t>(out.living.max[l]));
    }
    state = out.state;
  }
  for (const double sum : sums) result.living.push_back(sum / static_cast<double>(size));
  return result;
}

}  // namespace lethe::agents
