#pragma once

#include <string>

namespace lethe::tools {

/// Makes sure that the policy can run on "cpu" or "cuda"; for the latter loads LibTorch's CUDA part, which the program
/// itself is not linked to. Errors: UserError with the reason.
void RequireDevice(const std::string& device);

}  // namespace lethe::tools
