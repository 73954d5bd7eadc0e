#define LETHE_ISA avx512
#include "memory/kernels/step_impl.h"

namespace lethe::memory::avx512 {
extern const StepKernel kStep = kStepKernel;
}  // namespace lethe::memory::avx512
