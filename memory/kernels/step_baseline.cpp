#define LETHE_ISA baseline
#include "memory/kernels/step_impl.h"

namespace lethe::memory::baseline {
extern const StepKernel kStep = kStepKernel;
}  // namespace lethe::memory::baseline
