#include "tools/device.h"

#include <dlfcn.h>
#include <torch/cuda.h>

#include "memory/torch.h"
#include "tools/user_error.h"

namespace lethe::tools {

void RequireDevice(const std::string& device) {
  if (device != "cuda") return;
  if (::dlopen(LETHE_TORCH_LIB_DIR "/libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) == nullptr)
    throw UserError(std::string("device cuda: LibTorch's CUDA part does not load: ") + ::dlerror());
  if (!torch::cuda::is_available())
    throw UserError("device cuda: no usable GPU on this machine; device cpu works everywhere");
}

}  // namespace lethe::tools
