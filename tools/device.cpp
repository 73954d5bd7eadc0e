#include "tools/device.h"

#include <dlfcn.h>
#include <torch/torch.h>

#include "tools/user_error.h"

namespace lethe::tools {
namespace {

#ifdef LETHE_TORCH_LIB_DIR
constexpr const char* kCudaLibrary = LETHE_TORCH_LIB_DIR "/libtorch_cuda.so";
#else
constexpr const char* kCudaLibrary = "libtorch_cuda.so";
#endif

}  // namespace

void RequireDevice(const std::string& device) {
  if (device != "cuda") return;
  if (::dlopen(kCudaLibrary, RTLD_NOW | RTLD_GLOBAL) == nullptr)
    throw UserError(std::string("device cuda: LibTorch's CUDA part does not load: ") + ::dlerror());
  if (!torch::cuda::is_available()) throw UserError("device cuda: no usable GPU on this machine; use --device cpu");
}

}  // namespace lethe::tools
