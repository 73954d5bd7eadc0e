#include "memory/scratch.h"

#include <cstdlib>
#include <memory>
#include <new>

namespace lethe::memory {

void* Scratch(int64_t bytes) {
  thread_local std::unique_ptr<void, decltype(&std::free)> memory(nullptr, &std::free);
  thread_local int64_t size = 0;
  if (bytes > size) {
    size = (bytes + 63) / 64 * 64;
    memory.reset(std::aligned_alloc(64, static_cast<size_t>(size)));
    if (memory == nullptr) throw std::bad_alloc();
  }
  return memory.get();
}

}  // namespace lethe::memory
