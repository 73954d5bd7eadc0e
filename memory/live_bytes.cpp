#include "memory/live_bytes.h"

#include <c10/util/ThreadLocalDebugInfo.h>

namespace lethe::memory {

// LibTorch's allocator reports to whoever stands in the profiler's place, which is thread-local.
class LiveBytes::Counter : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void*, int64_t size, size_t, size_t, c10::Device device) override {
    if (device.is_cpu()) bytes += size;
  }
  bool memoryProfilingEnabled() const override { return true; }

  int64_t bytes = 0;
};

LiveBytes::LiveBytes()
    : counter_(std::make_shared<Counter>()),
      guard_(std::make_unique<c10::DebugInfoGuard>(c10::DebugInfoKind::PROFILER_STATE, counter_)) {}

LiveBytes::~LiveBytes() = default;

int64_t LiveBytes::bytes() const { return counter_->bytes; }

}  // namespace lethe::memory
