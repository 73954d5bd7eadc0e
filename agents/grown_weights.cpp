#include "agents/grown_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <string>

#include "agents/checkpoint_tensors.h"
#include "agents/flat_parameters.h"
#include "agents/policy.h"
#include "memory/recurrent_front.h"
#include "memory/transformer_layer.h"

namespace lethe::agents {

namespace {

using torch::Tensor;

bool HasFront(const RunOptions& options) { return memory::FrontOf(*options.memory.options) != "none"; }

/// Of the layers' names, which a recurrent front moves to its body.
std::string BodyName(const RunOptions& options) { return HasFront(options) ? "memory.body." : "memory."; }

std::string LayerName(const std::string& body, int64_t layer) { return fmt::format("{}layers.{}.", body, layer); }

void CheckGlance(const RunOptions& options) {
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

/// The same shape but for the last dimension, which may have fewer in the file.
bool HasFewerPositions(const configs::SafetensorsFile& file, const std::string& name, const Tensor& keys) {
  const configs::TensorView& view = file.Find("policy." + name);
  return view.dtype == configs::Dtype::kF32 && view.shape.size() == 3 && view.shape[0] == keys.size(0) &&
         view.shape[1] == keys.size(1) && view.shape[2] < keys.size(2);
}

/// The last columns are the nearest ages.
void PadPositions(const configs::SafetensorsFile& file, const std::string& name, const Tensor& keys) {
  const auto few = ReadArray<float>(file, "policy." + name);
  const auto count = static_cast<int64_t>(few.size()) / keys.size(1);
  keys.zero_();
  keys.narrow(2, keys.size(2) - count, count).copy_(torch::tensor(few).view({1, keys.size(1), count}));
}

/// Behind the layer before comes LN(h) * w + b, and an identity would be LN of that once more. So w and b move to the
/// new layer: LN(h) comes out of the one before, and of the new one LN(LN(LN(h))) * w + b.
void BeginAsIdentity(const Policy& policy, const std::string& mine, const std::string& before) {
  const auto p = policy.named_parameters();
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

const std::string kTable = "encoder.table";

/// True where the file's table has the rows of all tokens but the last, which is the last action.
bool LacksLastAction(const configs::SafetensorsFile& file, const RunOptions& options) {
  if (!options.policy.last_action || !file.Has("policy." + kTable)) return false;
  const auto vocabularies = MakePolicyOptions(options).vocabularies;
  const configs::TensorView& view = file.Find("policy." + kTable);
  return view.dtype == configs::Dtype::kF32 &&
         view.shape == std::vector<int64_t>{std::accumulate(vocabularies.begin(), vocabularies.end() - 1, int64_t{0}),
                                            options.memory.options->dim};
}

/// True as well where it has one for other tokens.
bool LacksExplainer(const configs::SafetensorsFile& file, const RunOptions& options) {
  const auto vocabularies = MakePolicyOptions(options).explanation;
  const std::string name = "policy.explainer.bias";
  return !vocabularies.empty() &&
         (!file.Has(name) ||
          file.Find(name).shape != std::vector<int64_t>{std::accumulate(vocabularies.begin(), vocabularies.end(), 0)});
}

/// The last rows are those of the last token.
void PadTable(const configs::SafetensorsFile& file, const Tensor& table) {
  const auto rows = ReadArray<float>(file, "policy." + kTable);
  table.zero_();
  table.narrow(0, 0, static_cast<int64_t>(rows.size()) / table.size(1)).flatten().copy_(torch::tensor(rows));
}

/// What the options have and the file has not.
struct Growth {
  Growth(const configs::SafetensorsFile& file, const RunOptions& options)
      : front(HasFront(options) && file.Has("policy." + LayerName("memory.", 0) + "query")) {
    const std::string body = front ? "memory." : BodyName(options);
    const int64_t last = options.memory.options->Gaps();
    const auto has_layer = [&](int64_t l) { return file.Has("policy." + LayerName(body, l) + "query"); };
    glance =
        options.policy.glance_heads > 0 && has_layer(last - 1) && !has_layer(last) && !file.Has("policy.glance.query");
    last_action = LacksLastAction(file, options);
    explainer = LacksExplainer(file, options);
  }
  bool front, glance = false, last_action = false, explainer = false;
};

}  // namespace

std::vector<std::string> PartsToGrow(const configs::SafetensorsFile& file, const RunOptions& options) {
  const Growth growth(file, options);
  std::vector<std::string> parts;
  if (growth.front) parts.emplace_back("recurrent front");
  if (growth.glance) parts.emplace_back("glance with a layer behind it");
  if (growth.last_action) parts.emplace_back("last action");
  if (growth.explainer) parts.emplace_back("explainer of these tokens");
  return parts;
}

std::vector<float> GrownWeights(const configs::SafetensorsFile& file, const RunOptions& options) {
  const Growth growth(file, options);
  if (growth.glance) CheckGlance(options);
  const torch::NoGradGuard no_grad;
  torch::manual_seed(static_cast<uint64_t>(options.seed));
  Policy policy(MakePolicyOptions(options));
  FlatParameters parameters(policy);
  const auto p = policy.named_parameters();
  const std::string body = BodyName(options), keys = body + "position_keys";
  const int64_t last = options.memory.options->Gaps();
  const auto name_in_file = [&](const std::string& name) {
    return growth.front && name.starts_with(body) ? "memory." + name.substr(body.size()) : name;
  };
  const bool pads = growth.glance && HasFewerPositions(file, name_in_file(keys), p[keys]);
  auto known = LayoutOf(parameters);
  std::erase_if(known, [&](const ParameterLayout& part) {
    const std::string& name = part.name;
    return (growth.front && (name.starts_with("memory.front.") || name == "memory.join")) ||
           (growth.glance && (name.starts_with(LayerName(body, last)) || name.starts_with("glance."))) ||
           (pads && name == keys) || (growth.last_action && name == kTable) ||
           (growth.explainer && name.starts_with("explainer."));
  });
  for (ParameterLayout& part : known) part.name = name_in_file(part.name);
  const std::vector<float> loaded = LoadWeights(file, known);
  std::vector<float> values = parameters.Read();
  for (const ParameterLayout& part : known)
    std::copy_n(loaded.begin() + part.offset, part.size, values.begin() + part.offset);
  parameters.Write(values);
  if (growth.front) p["memory.join"].zero_();
  if (growth.last_action) PadTable(file, p[kTable]);
  if (pads) PadPositions(file, name_in_file(keys), p[keys]);
  if (growth.glance) BeginAsIdentity(policy, LayerName(body, last), LayerName(body, last - 1));
  return parameters.Read();
}

}  // namespace lethe::agents
