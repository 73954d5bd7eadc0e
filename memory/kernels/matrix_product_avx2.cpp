#define LETHE_ISA avx2
#include "memory/kernels/matrix_product_impl.h"

namespace lethe::memory::avx2 {
extern const MatrixProductKernel kMatrixProduct = kProductKernel;
}  // namespace lethe::memory::avx2
