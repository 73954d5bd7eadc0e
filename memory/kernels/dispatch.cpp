#include "memory/kernels/dispatch.h"

#include <atomic>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "memory/kernels/expire_attention.h"

namespace lethe::memory {

namespace baseline {
extern const ExpireAttentionKernels<float> kFloat;
extern const ExpireAttentionKernels<double> kDouble;
extern const ExpireAttentionKernels<BFloat16> kBFloat16;
}  // namespace baseline
#ifdef LETHE_X86
namespace avx2 {
extern const ExpireAttentionKernels<float> kFloat;
extern const ExpireAttentionKernels<double> kDouble;
extern const ExpireAttentionKernels<BFloat16> kBFloat16;
}  // namespace avx2
namespace avx512 {
extern const ExpireAttentionKernels<float> kFloat;
extern const ExpireAttentionKernels<double> kDouble;
extern const ExpireAttentionKernels<BFloat16> kBFloat16;
}  // namespace avx512
#endif

namespace {

Isa ChooseIsa() {
  const Isa best = DetectIsa();
  const char* wanted = std::getenv("LETHE_ISA");
  if (wanted == nullptr) return best;
  const std::string name = wanted;
  if (name == "baseline") return Isa::kBaseline;
  if (name == "avx2") return best == Isa::kBaseline ? best : Isa::kAvx2;
  if (name == "avx512") return best;
  throw std::invalid_argument("LETHE_ISA: got `" + name + "`, allowed: baseline, avx2, avx512");
}

std::atomic<Isa>& Selected() {
  static std::atomic<Isa> isa = ChooseIsa();
  return isa;
}

}  // namespace

Isa SelectedIsa() { return Selected().load(std::memory_order_relaxed); }

IsaScope::IsaScope(Isa isa) : before_(SelectedIsa()) {
  if (isa > DetectIsa()) throw std::invalid_argument("kernels: this processor does not run the requested build");
  Selected() = isa;
}

IsaScope::~IsaScope() { Selected() = before_; }

#ifdef LETHE_X86
#define LETHE_SELECT(T, kernels)                          \
  template <>                                             \
  const ExpireAttentionKernels<T>& SelectExpireAttention<T>() { \
    if (SelectedIsa() == Isa::kAvx512) return avx512::kernels; \
    if (SelectedIsa() == Isa::kAvx2) return avx2::kernels;  \
    return baseline::kernels;                             \
  }
#else
#define LETHE_SELECT(T, kernels) \
  template <>                    \
  const ExpireAttentionKernels<T>& SelectExpireAttention<T>() { return baseline::kernels; }
#endif

LETHE_SELECT(float, kFloat)
LETHE_SELECT(double, kDouble)
LETHE_SELECT(BFloat16, kBFloat16)

}  // namespace lethe::memory
