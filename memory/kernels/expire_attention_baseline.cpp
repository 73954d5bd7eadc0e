#define LETHE_ISA baseline
#include "memory/kernels/expire_attention_impl.h"

namespace lethe::memory::baseline {
extern const ExpireAttentionKernels<float> kFloat = kKernels<float>;
extern const ExpireAttentionKernels<double> kDouble = kKernels<double>;
}  // namespace lethe::memory::baseline
