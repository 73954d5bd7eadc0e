# Kernels are built once per vector width and chosen at run time: <op>_baseline.cpp for any processor, <op>_avx2.cpp
# and <op>_avx512.cpp for x86-64 (LETHE_X86 is defined there), <op>_avx512bf16.cpp where bfloat16 has
# instructions. Their flags differ, so they share no precompiled header.
function(lethe_build_kernels target)
  lethe_kernel_flags(baseline)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    target_compile_definitions(${target} PUBLIC LETHE_X86)
    lethe_kernel_flags(avx2 -mavx2 -mfma)
    set(avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512)
    lethe_kernel_flags(avx512 ${avx512})
    lethe_kernel_flags(avx512bf16 ${avx512} -mavx512bf16)
  else()
    get_target_property(sources ${target} SOURCES)
    list(FILTER sources EXCLUDE REGEX "_(avx2|avx512|avx512bf16)\\.cpp$")
    set_target_properties(${target} PROPERTIES SOURCES "${sources}")
  endif()
endfunction()

# -Wno-psabi: vector types cross function borders only within one file.
function(lethe_kernel_flags width)
  file(GLOB kernels CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/memory/kernels/*_${width}.cpp)
  set_source_files_properties(${kernels} PROPERTIES SKIP_PRECOMPILE_HEADERS ON
    COMPILE_OPTIONS "-O3;-ffp-contract=fast;-Wno-psabi;${ARGN}")
endfunction()
