#pragma once

#include <cstdint>

namespace lethe::tools {

/// Stepping an Expire-Span memory while acting: 2 layers of width 64, 4 heads, every query sees `living` memories.
struct StepRate {
  double us_per_row = 0;           ///< of Stepper::Step, CPU time of one thread
  double operator_us_per_row = 0;  ///< of the stepper in tensor operators
};

/// Medians over unrolls of 32 steps, taken in turn, for about `seconds`. Threads: one; sets LibTorch's number.
StepRate MeasureStepRate(int64_t rows, int64_t living, double seconds);

}  // namespace lethe::tools
