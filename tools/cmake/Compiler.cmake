# How every target is compiled: language, build type, ccache, and lethe_flags (warnings, sanitizers).
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

# -fPIC comes from here and not from POSITION_INDEPENDENT_CODE, which gives programs -fPIE instead: a precompiled
# header serves libraries, program and tests alike only when their flags agree.
add_library(lethe_flags INTERFACE)
target_compile_options(lethe_flags INTERFACE -fPIC -Wall -Wextra -Wpedantic -Wshadow -Wno-unused-parameter)
if(LETHE_SANITIZE)
  # vptr checks need type information that LibTorch does not export for all of its classes.
  set(lethe_sanitize -fsanitize=${LETHE_SANITIZE} -fno-sanitize=vptr -fno-omit-frame-pointer)
  target_compile_options(lethe_flags INTERFACE ${lethe_sanitize} -g1)
  target_link_options(lethe_flags INTERFACE ${lethe_sanitize})
endif()

# ccache needs the sloppiness to accept a precompiled header (its manual, "Precompiled headers"). Depend mode: a miss
# costs no run of the preprocessor, up to 2 s a file; the compiler's list of headers is what a hit is judged by.
find_program(LETHE_CCACHE ccache)
if(LETHE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
    CCACHE_DEPEND=1
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${LETHE_CCACHE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    target_compile_options(lethe_flags INTERFACE -fpch-preprocess)
  endif()
endif()
