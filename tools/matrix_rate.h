#pragma once

#include <string>

namespace lethe::tools {

/// The arithmetic limit a run is compared with: float32 products of 512 x 512 matrices on `threads` threads at once,
/// for about `seconds`; median over the products, floating-point operations per second of all threads together.
double MeasureMatrixRate(int threads, double seconds);

/// "; 12.3 GFLOP/s, 0.45 of what plain matrix products reach here", measured at this moment; "" if nothing was counted.
std::string ArithmeticText(double operations, double seconds, int threads);

/// The same of one thread, per second of CPU time; bfloat16: of such matrices, as the machine multiplies them best.
double MeasureMatrixRatePerCpuSecond(double seconds, bool bfloat16 = false);

}  // namespace lethe::tools
