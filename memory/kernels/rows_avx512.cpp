#define LETHE_ISA avx512
#include "memory/kernels/rows_impl.h"

namespace lethe::memory::avx512 {
extern const RowKernels kRows = kRowKernels;
}  // namespace lethe::memory::avx512
