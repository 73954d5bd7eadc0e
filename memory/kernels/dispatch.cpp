#include "memory/kernels/dispatch.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "memory/kernels/expire_attention.h"
#include "memory/kernels/matrix_product.h"
#include "memory/kernels/rows.h"
#include "memory/kernels/step.h"

namespace lethe::memory {

namespace baseline {
extern const ExpireAttentionKernels<float> kFloat;
extern const ExpireAttentionKernels<double> kDouble;
extern const ExpireAttentionKernels<BFloat16> kBFloat16;
extern const MatrixProductKernel kMatrixProduct;
extern const RowKernels kRows;
extern const StepKernel kStep;
}  // namespace baseline
#ifdef LETHE_X86
namespace avx2 {
extern const ExpireAttentionKernels<float> kFloat;
extern const ExpireAttentionKernels<double> kDouble;
extern const ExpireAttentionKernels<BFloat16> kBFloat16;
extern const MatrixProductKernel kMatrixProduct;
extern const RowKernels kRows;
extern const StepKernel kStep;
}  // namespace avx2
namespace avx512 {
extern const ExpireAttentionKernels<float> kFloat;
extern const ExpireAttentionKernels<double> kDouble;
extern const ExpireAttentionKernels<BFloat16> kBFloat16;
extern const MatrixProductKernel kMatrixProduct;
extern const RowKernels kRows;
extern const StepKernel kStep;
}  // namespace avx512
namespace avx512bf16 {
extern const ExpireAttentionKernels<BFloat16> kBFloat16;
}  // namespace avx512bf16
#endif

namespace {

Isa ChooseIsa() {
  const Isa best = DetectIsa();
  const char* wanted = std::getenv("LETHE_ISA");
  if (wanted == nullptr) return best;
  const std::string name = wanted;
  if (name == "baseline") return Isa::kBaseline;
  if (name == "avx2") return std::min(best, Isa::kAvx2);
  if (name == "avx512") return std::min(best, Isa::kAvx512);
  if (name == "avx512bf16") return best;
  throw std::invalid_argument("LETHE_ISA: got `" + name + "`, allowed: baseline, avx2, avx512, avx512bf16");
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
#define LETHE_SELECT(kernels) \
  (SelectedIsa() >= Isa::kAvx512 ? avx512::kernels : SelectedIsa() == Isa::kAvx2 ? avx2::kernels : baseline::kernels)
#else
#define LETHE_SELECT(kernels) baseline::kernels
#endif

template <>
const ExpireAttentionKernels<float>& SelectExpireAttention<float>() {
  return LETHE_SELECT(kFloat);
}

template <>
const ExpireAttentionKernels<double>& SelectExpireAttention<double>() {
  return LETHE_SELECT(kDouble);
}

template <>
const ExpireAttentionKernels<BFloat16>& SelectExpireAttention<BFloat16>() {
#ifdef LETHE_X86
  if (SelectedIsa() == Isa::kAvx512Bf16) return avx512bf16::kBFloat16;
#endif
  return LETHE_SELECT(kBFloat16);
}

const MatrixProductKernel& SelectMatrixProduct() { return LETHE_SELECT(kMatrixProduct); }

const RowKernels& SelectRowKernels() { return LETHE_SELECT(kRows); }

const StepKernel& SelectStep() { return LETHE_SELECT(kStep); }

}  // namespace lethe::memory
