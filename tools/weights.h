#pragma once

#include <functional>
#include <string>
#include <vector>

#include "agents/options.h"
#include "configs/safetensors.h"

namespace lethe::tools {

/// The file a run or a path stands for: a *.safetensors file as it is, a run folder's newest good checkpoint. `note`
/// hears of damaged ones. Errors: UserError.
configs::SafetensorsFile OpenWeights(const std::string& run_or_file,
                                     const std::function<void(const std::string&)>& note);

/// The policy's weights in such a file, checked against the shapes these options need. Errors: UserError.
std::vector<float> PolicyWeights(const configs::SafetensorsFile& file, const agents::RunOptions& options);

/// The same for a run to begin with; parts that the options ask for and a file has not may be added
/// (agents/grown_weights.h), and `note` hears of it. Errors: UserError.
std::vector<float> InitialWeights(const configs::SafetensorsFile& file, const agents::RunOptions& options,
                                  const std::function<void(const std::string&)>& note);

}  // namespace lethe::tools
