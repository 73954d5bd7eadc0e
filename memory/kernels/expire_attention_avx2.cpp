#define LETHE_ISA avx2
#include "memory/kernels/expire_attention_impl.h"

namespace lethe::memory::avx2 {
extern const ExpireAttentionKernels<float> kFloat = kKernels<float>;
extern const ExpireAttentionKernels<double> kDouble = kKernels<double>;
extern const ExpireAttentionKernels<BFloat16> kBFloat16 = kKernels<BFloat16>;
}  // namespace lethe::memory::avx2
