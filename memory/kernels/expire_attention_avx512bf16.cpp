#define LETHE_ISA avx512bf16
#include "memory/kernels/expire_attention_impl.h"

namespace lethe::memory::avx512bf16 {
extern const ExpireAttentionKernels<BFloat16> kBFloat16 = kKernels<BFloat16>;
}  // namespace lethe::memory::avx512bf16
