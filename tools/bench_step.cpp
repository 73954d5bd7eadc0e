#include "tools/bench_step.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "memory/banked_stepper.h"
#include "memory/torch.h"
#include "tools/cpu_time.h"
#include "tools/median.h"
#include "tools/steady_memory.h"

namespace lethe::tools {
namespace {

constexpr int64_t kUnroll = 32;
constexpr size_t kLeastUnrolls = 3;

/// Microseconds per step and row of one unroll, without its begin and end.
double UnrollTime(memory::Stepper& stepper, int64_t rows, const torch::Tensor& x) {
  const std::vector<uint8_t> no_start(static_cast<size_t>(rows), 0);
  const double start = ThreadCpuSeconds();
  for (int64_t t = 0; t < kUnroll; ++t) stepper.Step(x, no_start.data());
  return 1e6 * (ThreadCpuSeconds() - start) / static_cast<double>(kUnroll * rows);
}

}  // namespace

StepRate MeasureStepRate(int64_t rows, int64_t living, double seconds) {
  at::set_num_threads(1);
  memory::ExpireSpanOptions options;  // 2 layers, width 64, 4 heads
  options.ramp = static_cast<double>(std::min<int64_t>(8, living));
  options.span_limit = 2 * (static_cast<double>(living) + 0.5 - options.ramp);
  memory::ExpireSpan core(options);
  PinSpans(core, 0.5);
  const auto state = std::static_pointer_cast<const memory::BankedState>(SteadyState(core, rows, kUnroll));
  const torch::Tensor x = torch::randn({rows, core.dim()});
  std::vector<double> fused, operators;
  for (const double start = ThreadCpuSeconds(); fused.size() < kLeastUnrolls || ThreadCpuSeconds() - start < seconds;) {
    fused.push_back(UnrollTime(*memory::MakeStepper(core, state, kUnroll), rows, x));
    operators.push_back(UnrollTime(*memory::MakeOperatorStepper(core, state, kUnroll), rows, x));
  }
  return {Median(fused), Median(operators)};
}

}  // namespace lethe::tools
