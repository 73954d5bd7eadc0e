# ninja format | format-check | tidy: clang-format and clang-tidy over the whole tree, where they are installed.
file(GLOB_RECURSE style_sources RELATIVE ${CMAKE_SOURCE_DIR} CONFIGURE_DEPENDS
  configs/*.h configs/*.cpp envs/*.h envs/*.cpp memory/*.h memory/*.cpp memory/*.cu agents/*.h agents/*.cpp
  tools/*.h tools/*.cpp tests/*.h tests/*.cpp examples/*.cpp)

find_program(LETHE_CLANG_FORMAT clang-format)
if(LETHE_CLANG_FORMAT)
  add_custom_target(format COMMAND ${LETHE_CLANG_FORMAT} -i ${style_sources} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  add_custom_target(format-check COMMAND ${LETHE_CLANG_FORMAT} --dry-run --Werror ${style_sources}
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
endif()

# GCC's precompiled header is unreadable to clang, which then reads torch/torch.h itself: about 20 s a file.
find_program(LETHE_RUN_CLANG_TIDY NAMES run-clang-tidy run-clang-tidy-14)
if(LETHE_RUN_CLANG_TIDY)
  add_custom_target(tidy COMMAND ${LETHE_RUN_CLANG_TIDY} -quiet -p ${CMAKE_BINARY_DIR} "${CMAKE_SOURCE_DIR}/(configs|envs|memory|agents|tools)/"
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} USES_TERMINAL)
endif()
