# Imports LibTorch from the torch wheel (or an unpacked LibTorch) without the CUDA Toolkit that the wheel's own package
# file demands. Looks at LETHE_TORCH (the folder that holds include/ and lib/), then at .venv.
# Defines LibTorch::LibTorch, LibTorch_LIB_DIR, and LibTorch_CUDA (libtorch_cuda.so, where there is one).
set(LETHE_TORCH "$ENV{LETHE_TORCH}" CACHE PATH "Folder of LibTorch: holds include/ and lib/")
file(GLOB LibTorch_IN_VENV ${CMAKE_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch)
set(LibTorch_ROOT_DIR ${LETHE_TORCH})
if(NOT LibTorch_ROOT_DIR)
  set(LibTorch_ROOT_DIR ${LibTorch_IN_VENV})
endif()
set(LibTorch_LIB_DIR ${LibTorch_ROOT_DIR}/lib)
set(LibTorch_INCLUDE_DIRS ${LibTorch_ROOT_DIR}/include ${LibTorch_ROOT_DIR}/include/torch/csrc/api/include)

unset(LibTorch_CPU CACHE)  # .venv may have moved since the last configure
unset(LibTorch_CUDA CACHE)
find_library(LibTorch_CPU torch_cpu PATHS ${LibTorch_LIB_DIR} NO_DEFAULT_PATH)
find_library(LibTorch_CUDA torch_cuda PATHS ${LibTorch_LIB_DIR} NO_DEFAULT_PATH)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch REQUIRED_VARS LibTorch_CPU LibTorch_ROOT_DIR
  REASON_FAILURE_MESSAGE "set LETHE_TORCH to a folder with include/ and lib/, or run ./lethe, which installs it")

# Imported libraries, so that CMake gives programs the run path to them. What they need in turn (the CUDA runtime)
# they find by their own run paths; the linker does not ask for it.
if(LibTorch_FOUND AND NOT TARGET LibTorch::LibTorch)
  foreach(library torch_cpu c10)
    add_library(LibTorch::${library} SHARED IMPORTED)
    set_target_properties(LibTorch::${library} PROPERTIES IMPORTED_LOCATION ${LibTorch_LIB_DIR}/lib${library}.so)
  endforeach()

  # The wheel brings headers of another fmt than the system's library; a folder with nothing but the system's fmt goes
  # before them. (LibTorch's public headers use none.)
  find_path(LibTorch_FMT_DIR fmt/format.h REQUIRED)
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/include)
  file(CREATE_LINK ${LibTorch_FMT_DIR}/fmt ${CMAKE_BINARY_DIR}/include/fmt SYMBOLIC)

  add_library(LibTorch::LibTorch INTERFACE IMPORTED)
  target_include_directories(LibTorch::LibTorch INTERFACE ${CMAKE_BINARY_DIR}/include ${LibTorch_INCLUDE_DIRS})
  target_compile_definitions(LibTorch::LibTorch INTERFACE _GLIBCXX_USE_CXX11_ABI=1)
  target_link_libraries(LibTorch::LibTorch INTERFACE LibTorch::torch_cpu LibTorch::c10)
  target_link_options(LibTorch::LibTorch INTERFACE LINKER:--allow-shlib-undefined)
endif()
