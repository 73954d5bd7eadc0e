#define LETHE_ISA avx512
#include "memory/kernels/matrix_product_impl.h"

namespace lethe::memory::avx512 {
extern const MatrixProductKernel kMatrixProduct = kProductKernel;
}  // namespace lethe::memory::avx512
