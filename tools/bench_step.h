#pragma once

#include <cstdint>

namespace lethe::tools {

/// CPU time of one thread in microseconds per step and row.
struct StepTime {
  double step = 0;    ///< of Stepper::Step alone
  double unroll = 0;  ///< with the unroll's share of Core::Begin and Stepper::Finish
};

/// Stepping an Expire-Span memory while acting: 2 layers of width 64, 4 heads, every query sees `living` memories.
struct StepRate {
  StepTime fused;
  StepTime operators;  ///< the stepper in tensor operators
};

/// Medians over unrolls of 32 steps, taken in turn, for about `seconds`. Threads: one; sets LibTorch's number.
StepRate MeasureStepRate(int64_t rows, int64_t living, double seconds);

}  // namespace lethe::tools
