#include "agents/grown_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <string>

#include "agents/checkpoint_tensors.h"
#include "agents/flat_parameters.h"
#include "agents/policy.h"
#include "memory/transformer_layer.h"

namespace lethe::agents {

namespace {

using torch::Tensor;

std::string LayerName(int64_t layer) { return fmt::format("memory.layers.{}.", layer); }

void CheckGrowing(const RunOptions& options) {
  const auto* transformer = dynamic_cast<const memory::TransformerOptions*>(options.memory.options.get());
  if (transformer == nullptr || transformer->pre_norm || transformer->gates)
    throw std::invalid_argument(
        "weights of fewer layers: another one can only begin as the identity with memory.pre_norm and memory.gates "
        "false");
  if (options.policy.glance_heads != options.policy.cell_heads)
    throw std::invalid_argument(
        fmt::format("policy.glance_heads: got {}, allowed with weights that have no glance: {} as policy.cell_heads, "
                    "since it begins with their queries",
                    options.policy.glance_heads, options.policy.cell_heads));
}

const std::string kPositionKeys = "memory.position_keys";

/// The same shape but for the last dimension, which may have fewer in the file.
bool HasFewerPositions(const configs::SafetensorsFile& file, const Tensor& keys) {
  const configs::TensorView& view = file.Find("policy." + kPositionKeys);
  return view.dtype == configs::Dtype::kF32 && view.shape.size() == 3 && view.shape[0] == keys.size(0) &&
         view.shape[1] == keys.size(1) && view.shape[2] < keys.size(2);
}

/// The last columns are the nearest ages.
void PadPositions(const configs::SafetensorsFile& file, const Tensor& keys) {
  const auto few = ReadArray<float>(file, "policy." + kPositionKeys);
  const auto count = static_cast<int64_t>(few.size()) / keys.size(1);
  keys.zero_();
  keys.narrow(2, keys.size(2) - count, count).copy_(torch::tensor(few).view({1, keys.size(1), count}));
}

/// Behind the layer before comes LN(h) * w + b, and an identity would be LN of that once more. So w and b move to the
/// new layer: LN(h) comes out of the one before, and of the new one LN(LN(LN(h))) * w + b.
void BeginAsIdentity(const Policy& policy, int64_t last) {
  const auto p = policy.named_parameters();
  const std::string mine = LayerName(last), before = LayerName(last - 1);
  for (const char* name : {"span", "span_bias", "span_ratio"})
    if (p.contains(mine + name)) p[mine + name].copy_(p[before + name]);
  for (const char* name : {"out", "ff2", "ff2_bias"}) p[mine + name].zero_();
  const Tensor scale = p[before + "norm2"].clone(), shift = p[before + "norm2_bias"].clone();
  p[before + "norm2"].fill_(1), p[before + "norm2_bias"].zero_();
  p[mine + "norm2"].copy_(scale), p[mine + "norm2_bias"].copy_(shift);
  const Tensor& asked = p["pointer.query"];
  p["glance.query"].copy_(asked * scale);
  p["glance.query_bias"].copy_(p["pointer.query_bias"] + torch::mv(asked, shift));
  p["glance.tell"].zero_();
}

}  // namespace

bool CanGrow(const configs::SafetensorsFile& file, const RunOptions& options) {
  const int64_t last = options.memory.options->Gaps();
  const auto has_layer = [&](int64_t l) { return file.Has("policy." + LayerName(l) + "query"); };
  return options.policy.glance_heads > 0 && has_layer(last - 1) && !has_layer(last) && !file.Has("policy.glance.query");
}

std::vector<float> GrownWeights(const configs::SafetensorsFile& file, const RunOptions& options) {
  CheckGrowing(options);
  const torch::NoGradGuard no_grad;
  torch::manual_seed(static_cast<uint64_t>(options.seed));
  Policy policy(MakePolicyOptions(options));
  FlatParameters parameters(policy);
  const int64_t last = options.memory.options->Gaps();
  const Tensor keys = policy.named_parameters()[kPositionKeys];
  const bool pads = HasFewerPositions(file, keys);
  auto known = LayoutOf(parameters);
  std::erase_if(known, [&](const ParameterLayout& part) {
    return part.name.starts_with(LayerName(last)) || part.name.starts_with("glance.") ||
           (pads && part.name == kPositionKeys);
  });
  const std::vector<float> loaded = LoadWeights(file, known);
  std::vector<float> values = parameters.Read();
  for (const ParameterLayout& part : known)
    std::copy_n(loaded.begin() + part.offset, part.size, values.begin() + part.offset);
  parameters.Write(values);
  if (pads) PadPositions(file, keys);
  BeginAsIdentity(policy, last);
  return parameters.Read();
}

}  // namespace lethe::agents
