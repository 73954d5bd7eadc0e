#include "tools/bench_step.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "memory/banked_stepper.h"
#include "memory/fused_stepper.h"
#include "memory/torch.h"
#include "tools/cpu_time.h"
#include "tools/median.h"
#include "tools/steady_memory.h"

namespace lethe::tools {
namespace {

constexpr int64_t kUnroll = 32;
constexpr size_t kLeastUnrolls = 3;

using MakeFunction = std::unique_ptr<memory::Stepper> (*)(const memory::BankedTransformer&,
                                                          std::shared_ptr<const memory::BankedState>, int64_t,
                                                          memory::Between);

/// Unrolls with one kind of stepper.
struct Unrolls {
  MakeFunction make;
  std::vector<double> step, unroll;

  void Take(const memory::ExpireSpan& core, const std::shared_ptr<const memory::BankedState>& state,
            const torch::Tensor& x) {
    const std::vector<uint8_t> no_start(static_cast<size_t>(state->rows()), 0);
    const double begin = ThreadCpuSeconds();
    const auto stepper = make(core, state, kUnroll, {});
    const double start = ThreadCpuSeconds();
    for (int64_t t = 0; t < kUnroll; ++t) stepper->Step(x, no_start.data());
    const double end = ThreadCpuSeconds();
    stepper->Finish();
    const double scale = 1e6 / static_cast<double>(kUnroll * state->rows());
    step.push_back(scale * (end - start));
    unroll.push_back(scale * (ThreadCpuSeconds() - begin));
  }
  StepTime Time() const { return {Median(step), Median(unroll)}; }
};

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
  Unrolls fused{memory::MakeFusedStepper, {}, {}}, operators{memory::MakeOperatorStepper, {}, {}};
  for (const double start = ThreadCpuSeconds();
       fused.step.size() < kLeastUnrolls || ThreadCpuSeconds() - start < seconds;) {
    fused.Take(core, state, x);
    operators.Take(core, state, x);
  }
  return {fused.Time(), operators.Time()};
}

}  // namespace lethe::tools
