#include "tools/weights.h"

#include <fmt/ranges.h>

#include "agents/flat_parameters.h"
#include "agents/grown_weights.h"
#include "agents/trainer.h"
#include "configs/run_folder.h"
#include "tools/user_error.h"

namespace lethe::tools {

configs::SafetensorsFile OpenWeights(const std::string& run_or_file,
                                     const std::function<void(const std::string&)>& note) {
  return AsUserError([&] {
    if (run_or_file.ends_with(".safetensors")) return configs::SafetensorsFile(run_or_file);
    return configs::RunFolder::Open(run_or_file).NewestGoodCheckpoint(note);
  });
}

std::vector<float> PolicyWeights(const configs::SafetensorsFile& file, const agents::RunOptions& options) {
  return AsUserError([&] {
    agents::Policy policy(agents::MakePolicyOptions(options));
    return agents::LoadWeights(file, agents::LayoutOf(agents::FlatParameters(policy)));
  });
}

std::vector<float> InitialWeights(const configs::SafetensorsFile& file, const agents::RunOptions& options,
                                  const std::function<void(const std::string&)>& note) {
  if (file.Has("policy.explainer.bias") && options.clone.loss.explain_weight == 0)
    note(file.path() + " has an explainer: left out, since clone.explain_weight is 0; no action depends on it");
  const auto parts = agents::PartsToGrow(file, options);
  if (parts.empty()) return PolicyWeights(file, options);
  auto weights = AsUserError([&] { return agents::GrownWeights(file, options); });
  note(fmt::format("{} has no {}: added so that the policy does what it did", file.path(),
                   fmt::join(parts, " and no ")));
  return weights;
}

}  // namespace lethe::tools
