#pragma once

namespace lethe::memory {

/// The widest vectors this processor runs and the kernels were built for.
enum class Isa { kBaseline, kAvx2, kAvx512, kAvx512Bf16 };

inline Isa DetectIsa() {
#ifdef LETHE_X86
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma"))
    return __builtin_cpu_supports("avx512bf16") ? Isa::kAvx512Bf16 : Isa::kAvx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Isa::kAvx2;
#endif
  return Isa::kBaseline;
}

/// LETHE_ISA=baseline|avx2|avx512 in the environment lowers the choice; never raises it.
Isa SelectedIsa();

/// While it lives, kernels come from the build for `isa`: so that one program can compare the builds.
/// Errors: std::invalid_argument if this processor cannot run it. Threads: not while others compute.
class IsaScope {
 public:
  explicit IsaScope(Isa isa);
  ~IsaScope();
  IsaScope(const IsaScope&) = delete;
  IsaScope& operator=(const IsaScope&) = delete;

 private:
  const Isa before_;
};

}  // namespace lethe::memory
