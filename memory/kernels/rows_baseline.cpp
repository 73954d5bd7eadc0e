#define LETHE_ISA baseline
#include "memory/kernels/rows_impl.h"

namespace lethe::memory::baseline {
extern const RowKernels kRows = kRowKernels;
}  // namespace lethe::memory::baseline
