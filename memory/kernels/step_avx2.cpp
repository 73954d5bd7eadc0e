#define LETHE_ISA avx2
#include "memory/kernels/step_impl.h"

namespace lethe::memory::avx2 {
extern const StepKernel kStep = kStepKernel;
}  // namespace lethe::memory::avx2
