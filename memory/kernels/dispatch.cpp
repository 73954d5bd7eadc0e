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
}  // namespace baseline
#ifdef LETHE_X86
namespace avx2 {
extern const ExpireAttentionKernels<float> kFloat;
extern const ExpireAttentionKernels<double> kDouble;
}  // namespace avx2
namespace avx512 {
extern const ExpireAttentionKernels<float> kFloat;
extern const ExpireAttentionKernels<double> kDouble;
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

template <>
const ExpireAttentionKernels<float>& SelectExpireAttention<float>() {
#ifdef LETHE_X86
  if (SelectedIsa() == Isa::kAvx512) return avx512::kFloat;
  if (SelectedIsa() == Isa::kAvx2) return avx2::kFloat;
#endif
  return baseline::kFloat;
}

template <>
const ExpireAttentionKernels<double>& SelectExpireAttention<double>() {
#ifdef LETHE_X86
  if (SelectedIsa() == Isa::kAvx512) return avx512::kDouble;
  if (SelectedIsa() == Isa::kAvx2) return avx2::kDouble;
#endif
  return baseline::kDouble;
}

}  // namespace lethe::memory
