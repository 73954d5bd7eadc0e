#define LETHE_ISA baseline
#include "memory/kernels/expire_attention_impl.h"

namespace lethe::memory::baseline {
extern const ExpireAttentionKernels<float> kFloat = kKernels<float>;
extern const ExpireAttentionKernels<double> kDouble = kKernels<double>;
extern const ExpireAttentionKernels<BFloat16> kBFloat16 = kKernels<BFloat16>;
}  // namespace lethe::memory::baseline
