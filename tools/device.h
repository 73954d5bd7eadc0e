#pragma once

#include <string>

namespace lethe::tools {

/// Makes sure that policies can run on "cpu" or "cuda"; for the latter loads LibTorch's CUDA part, which nothing here
/// is linked to. Call it before anything else touches the device. Errors: UserError with the reason.
void RequireDevice(const std::string& device);

}  // namespace lethe::tools
