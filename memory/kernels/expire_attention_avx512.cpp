#define LETHE_ISA avx512
#include "memory/kernels/expire_attention_impl.h"

namespace lethe::memory::avx512 {
extern const ExpireAttentionKernels<float> kFloat = kKernels<float>;
extern const ExpireAttentionKernels<double> kDouble = kKernels<double>;
}  // namespace lethe::memory::avx512
