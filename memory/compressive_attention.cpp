// What a compressive memory attends to, and how: shared by blocks and steps.

#include <cmath>

#include "memory/compressive.h"

namespace lethe::memory {

using torch::Tensor;

Compressive::View Compressive::See(const Tensor& slot_time, const Tensor& step_time, const Tensor& query_time,
                                   const Tensor& begin) const {
  const int64_t L = options_.memory_length, C = options_.slots;
  const Tensor now = query_time.view({1, -1, 1}), first = begin.unsqueeze(2);                  // [1, T, 1], [B, T, 1]
  const Tensor behind = now - slot_time.unsqueeze(1) - L, age = now - step_time.unsqueeze(1);  // [B, T, S], [B, T, R]
  const Tensor group = torch::floor_divide(behind, options_.rate);                             // 0: the newest in sight
  const Tensor slot_seen = (behind >= 0).logical_and(group <= C).logical_and(slot_time.unsqueeze(1) >= first);
  const Tensor step_seen = (age >= 1).logical_and(age <= L).logical_and(step_time.unsqueeze(1) >= first);
  const Tensor seen = torch::cat({slot_seen, step_seen}, 2), place = torch::cat({C - group, C + 1 + L - age}, 2);
  const auto device = position_keys_.device();
  return {seen.to(device), torch::where(seen, place, 0).to(device)};
}

Tensor Compressive::MiddleTime(const Tensor& slot_time) const {
  return torch::where(slot_time == kNever, slot_time, slot_time + options_.rate / 2);
}

std::pair<Tensor, Tensor> Compressive::KeysAndValues(const TransformerLayer& layer, const Tensor& hidden,
                                                     const Tensor& time) const {
  const auto kv =
      torch::linear(stack_.AttentionInput(layer, hidden), layer.key_value).unflatten(-1, {2, -1}).unbind(-2);
  if (options_.position != "rotary") return {kv[0], kv[1]};
  return {Rotate(kv[0], torch::where(time == kNever, 0, time), options_.HeadDim()), kv[1]};
}

Tensor Compressive::Queries(const TransformerLayer& layer, const Tensor& x, const Tensor& time) const {
  const Tensor q = torch::linear(stack_.AttentionInput(layer, x), layer.query);
  return options_.position == "rotary" ? Rotate(q, time, options_.HeadDim()) : q;
}

Tensor Compressive::Attend(const Tensor& q, const Tensor& k, const Tensor& v, const View& view, Noise& noise,
                           Tensor* weights) const {
  const int64_t heads = options_.heads, rows = q.size(0), queries = q.size(1);
  const auto by_head = [&](const Tensor& x) { return x.unflatten(-1, {heads, -1}).transpose(1, 2); };
  const Tensor query = by_head(q), hidden = view.seen.logical_not().unsqueeze(1);  // [B, K, T, D], [B, 1, T, N]
  Tensor score = torch::matmul(query, by_head(k).transpose(2, 3));                 // [B, K, T, N]
  if (const int64_t columns = position_keys_.size(2); columns > 0) {
    // Ages without a key of their own find the column of zeros in front.
    const int64_t missing = options_.slots + 1 + options_.memory_length - columns, ages = options_.slots + 1;
    const Tensor by_place = torch::constant_pad_nd(torch::matmul(query, position_keys_[0]), {1, 0});
    const Tensor column = torch::where(view.place < ages, view.place + 1,
                                       torch::where(view.place - missing < ages, 0, view.place - missing + 1));
    score = score + by_place.gather(3, column.unsqueeze(1).expand({rows, heads, queries, -1}));
  }
  score = (score / std::sqrt(static_cast<double>(options_.HeadDim()))).masked_fill(hidden, -1e30);
  // Zeros, not a uniform guess, where nothing is in sight.
  const Tensor p = noise.Dropout(torch::softmax(score, 3).masked_fill(hidden, 0), options_.dropout);
  if (weights != nullptr) *weights = p;
  return torch::matmul(p, by_head(v)).transpose(1, 2).flatten(2);
}

Tensor Compressive::Compress(size_t layer, const Tensor& groups) const {
  return compression_.empty() ? groups.mean(-2) : torch::linear(groups.flatten(-2), compression_[layer]);
}

Tensor Compressive::Reconstruction(size_t layer, const Tensor& x, const Tensor& groups, const Tensor& exists) const {
  const int64_t heads = options_.heads, D = options_.HeadDim();
  const Tensor key_value = layers()[layer].key_value.detach(), query = layers()[layer].query.detach();
  TransformerLayer frozen = layers()[layer];
  frozen.norm1 = frozen.norm1.detach(), frozen.norm1_bias = frozen.norm1_bias.detach();
  const auto norm = [&](const Tensor& h) { return stack_.AttentionInput(frozen, h); };
  const auto by_head = [&](const Tensor& h) { return h.unflatten(-1, {heads, D}).transpose(1, 2); };
  const Tensor q = by_head(torch::linear(norm(x.detach()), query));
  const auto read = [&](const Tensor& memories, const Tensor& there) {  // [B, n, H], [B, n]
    const auto kv = torch::linear(norm(memories), key_value).chunk(2, -1);
    const Tensor hidden = there.logical_not().view({there.size(0), 1, 1, -1});
    const Tensor score = (torch::matmul(q, by_head(kv[0]).transpose(2, 3)) / std::sqrt(static_cast<double>(D)))
                             .masked_fill(hidden, -1e30);
    return torch::matmul(torch::softmax(score, 3).masked_fill(hidden, 0), by_head(kv[1]));
  };
  const Tensor steps = groups.detach(), each = exists.unsqueeze(2).expand({-1, -1, options_.rate});
  return (read(Compress(layer, steps), exists) - read(steps.flatten(1, 2), each.flatten(1)))
      .square()
      .mean()
      .to(torch::kDouble);
}

}  // namespace lethe::memory
