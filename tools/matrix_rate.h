#pragma once

namespace lethe::tools {

/// The arithmetic limit a run is compared with: float32 products of 512 x 512 matrices on `threads` threads at once,
/// for about `seconds`; median over the products, floating-point operations per second of all threads together.
double MeasureMatrixRate(int threads, double seconds);

}  // namespace lethe::tools
