# lethe_add_plugin(NAME SOURCES...): the plug-in libNAME.so out of files of environments.
# Who includes this file has set lethe_plugin_headers (folder of configs/ and envs/) and lethe_plugin_exports (a file).
if(NOT TARGET lethe::envs)
  # What an environment is compiled with: no contraction of a*b+c, so that hashes of episodes hold across compilers; all
  # names hidden and none unique in the process, so that plug-ins and program keep theirs apart and a refused plug-in
  # really goes; fmt inside, so that no version of it has to agree.
  add_library(lethe::envs INTERFACE IMPORTED)
  target_include_directories(lethe::envs INTERFACE ${lethe_plugin_headers})
  target_compile_features(lethe::envs INTERFACE cxx_std_20)
  target_compile_options(lethe::envs INTERFACE -ffp-contract=off -fvisibility=hidden -fvisibility-inlines-hidden
    $<$<CXX_COMPILER_ID:GNU>:-fno-gnu-unique>)
  target_link_libraries(lethe::envs INTERFACE fmt::fmt-header-only nlohmann_json::nlohmann_json)

  add_library(lethe::plugin INTERFACE IMPORTED)
  target_sources(lethe::plugin INTERFACE ${lethe_plugin_exports})
  target_link_libraries(lethe::plugin INTERFACE lethe::envs)
endif()

function(lethe_add_plugin name)
  add_library(${name} MODULE ${ARGN})
  set_target_properties(${name} PROPERTIES CXX_EXTENSIONS OFF)
  target_link_libraries(${name} PRIVATE lethe::plugin)
  # Who names no build type wants a fast environment too.
  target_compile_options(${name} PRIVATE $<$<STREQUAL:$<CONFIG>,>:-O2>)
endfunction()
