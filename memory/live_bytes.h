#pragma once

#include <c10/core/Allocator.h>

#include <cstdint>
#include <memory>

namespace lethe::memory {

/// Counts the bytes of CPU tensors that this thread allocates and does not free again while the object lives. Around a
/// forward pass it tells what is saved for backward (outputs included). What was allocated before should not be freed
/// meanwhile: LibTorch would print a warning.
/// Threads: one object belongs to one thread; objects on several threads do not disturb each other.
class LiveBytes {
 public:
  LiveBytes();
  ~LiveBytes();
  LiveBytes(const LiveBytes&) = delete;
  LiveBytes& operator=(const LiveBytes&) = delete;

  int64_t bytes() const;

 private:
  class Counter;
  std::shared_ptr<Counter> counter_;
  std::unique_ptr<c10::DebugInfoGuard> guard_;
};

}  // namespace lethe::memory
