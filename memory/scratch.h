#pragma once

#include <cstdint>

namespace lethe::memory {

/// Memory of this thread for kernels to work in, 64-byte aligned; it grows and stays. Each call may move it.
void* Scratch(int64_t bytes);

}  // namespace lethe::memory
