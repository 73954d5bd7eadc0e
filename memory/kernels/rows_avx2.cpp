#define LETHE_ISA avx2
#include "memory/kernels/rows_impl.h"

namespace lethe::memory::avx2 {
extern const RowKernels kRows = kRowKernels;
}  // namespace lethe::memory::avx2
