#define LETHE_ISA baseline
#include "memory/kernels/matrix_product_impl.h"

namespace lethe::memory::baseline {
extern const MatrixProductKernel kMatrixProduct = kProductKernel;
}  // namespace lethe::memory::baseline
