// An actor's step allocates nothing: neither by `new` nor in LibTorch, whose tensors have an allocator of their own.

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <gtest/gtest.h>

#include "memory/fused_stepper.h"
#include "memory/torch.h"
#include "tests/count_allocations.h"
#include "tests/memory/memory_case.h"

namespace lethe::memory {
namespace {

/// LibTorch's allocator reports to whoever stands in the profiler's place, which is thread-local.
struct CountTensors : c10::MemoryReportingInfoBase {
  void reportMemoryUsage(void*, int64_t size, size_t, size_t, c10::Device) override { allocations += size > 0 ? 1 : 0; }
  bool memoryProfilingEnabled() const override { return true; }
};

TEST(Allocation, NoneInAFusedStep) {
  const c10::DebugInfoGuard counted(c10::DebugInfoKind::PROFILER_STATE, std::make_shared<CountTensors>());
  const torch::NoGradGuard no_grad;
  constexpr int64_t kRows = 30, kSteps = 40;
  const ExpireSpan core = RandomMemory(SmallOptions(), 1, torch::kFloat);
  const Blocks blocks = RandomBlocks(1, kRows, kSteps, core.dim(), 0.05, 2, torch::kFloat);
  const auto x = blocks.x[0].unbind(1);
  const torch::Tensor starts = blocks.starts[0].t().contiguous();
  const auto stepper = MakeFusedStepper(
      core, std::static_pointer_cast<const BankedState>(RandomState(core, kRows, 20, 24, 100, 3)), kSteps);
  int64_t before = allocations;
  EXPECT_GT(before, 0);
  for (int64_t t = 0; t < kSteps; ++t) {
    stepper->Step(x[static_cast<size_t>(t)], starts.const_data_ptr<uint8_t>() + t * kRows);
    EXPECT_EQ(allocations, before) << "step " << t;
  }
  const torch::Tensor counts_too = torch::zeros({4});
  EXPECT_GT(allocations, before);
}

}  // namespace
}  // namespace lethe::memory
