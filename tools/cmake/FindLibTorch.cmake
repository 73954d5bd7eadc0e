# Imports LibTorch from the torch wheel (or an unpacked LibTorch) without the CUDA Toolkit that the wheel's own
# package file demands. Looks at LETHE_TORCH (the folder that holds include/ and lib/), then at .venv.
# Defines LibTorch::LibTorch.
set(LETHE_TORCH "$ENV{LETHE_TORCH}" CACHE PATH "Folder of LibTorch: holds include/ and lib/")
file(GLOB _venv_torch ${CMAKE_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch)
find_path(LibTorch_ROOT_DIR include/torch/csrc/api/include/torch/torch.h
  PATHS ${LETHE_TORCH} ${_venv_torch} NO_DEFAULT_PATH)
find_library(LibTorch_CPU torch_cpu PATHS ${LibTorch_ROOT_DIR}/lib NO_DEFAULT_PATH)
find_library(LibTorch_C10 c10 PATHS ${LibTorch_ROOT_DIR}/lib NO_DEFAULT_PATH)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_CPU LibTorch_C10 LibTorch_ROOT_DIR
  REASON_FAILURE_MESSAGE "set LETHE_TORCH to a folder with include/ and lib/, or run ./lethe, which installs it")

if(LibTorch_FOUND AND NOT TARGET LibTorch::LibTorch)
  # The wheel's CPU library still needs the CUDA runtime; its wheel lies beside torch.
  file(GLOB _nvidia_libs ${LibTorch_ROOT_DIR}/../nvidia/cu*/lib)
  add_library(LibTorch::LibTorch INTERFACE IMPORTED)
  set_target_properties(LibTorch::LibTorch PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${LibTorch_ROOT_DIR}/include;${LibTorch_ROOT_DIR}/include/torch/csrc/api/include"
    INTERFACE_LINK_LIBRARIES "${LibTorch_CPU};${LibTorch_C10}"
    INTERFACE_COMPILE_DEFINITIONS "_GLIBCXX_USE_CXX11_ABI=1")
  target_link_options(LibTorch::LibTorch INTERFACE
    "LINKER:-rpath,${LibTorch_ROOT_DIR}/lib" "LINKER:--disable-new-dtags" "LINKER:--allow-shlib-undefined")
  foreach(_dir ${_nvidia_libs})
    target_link_options(LibTorch::LibTorch INTERFACE "LINKER:-rpath,${_dir}" "LINKER:-rpath-link,${_dir}")
  endforeach()
endif()
