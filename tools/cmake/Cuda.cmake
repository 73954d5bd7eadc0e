# CUDA kernels: memory/kernels/*_cuda.cu become liblethe_cuda.so, which the program loads when --device cuda is asked
# for. Built where a CUDA Toolkit is found; the CPU program needs neither it nor this library.
file(GLOB cuda_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/memory/kernels/*_cuda.cu)
find_program(LETHE_NVCC nvcc HINTS ENV CUDA_HOME PATHS /usr/local/cuda PATH_SUFFIXES bin)
if(cuda_sources AND LETHE_NVCC AND LibTorch_CUDA)
  set(LETHE_CUDA_DEFAULT ON)
endif()
option(LETHE_CUDA "Build the CUDA kernels: needs a CUDA Toolkit" ${LETHE_CUDA_DEFAULT})
if(NOT LETHE_CUDA OR NOT cuda_sources)
  return()
endif()

set(CMAKE_CUDA_COMPILER ${LETHE_NVCC})
set(CMAKE_CUDA_STANDARD 17)  # CMake before 3.26 knows no later CUDA dialect
if(NOT CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 80-real 90)  # Ampere and Hopper as machine code, later ones from Hopper's PTX
endif()
enable_language(CUDA)
find_package(CUDAToolkit REQUIRED)

add_library(lethe_cuda SHARED ${cuda_sources})
target_include_directories(lethe_cuda PRIVATE ${CMAKE_SOURCE_DIR} ${CUDAToolkit_INCLUDE_DIRS})
set_target_properties(lethe_cuda PROPERTIES CUDA_RUNTIME_LIBRARY Shared INSTALL_RPATH ${LibTorch_LIB_DIR})
target_link_libraries(lethe_cuda PRIVATE LibTorch::LibTorch ${LibTorch_CUDA} ${LibTorch_LIB_DIR}/libc10_cuda.so)
add_dependencies(lethe lethe_cuda)
install(TARGETS lethe_cuda LIBRARY DESTINATION lib)
