# Compiles in where the program comes from (tools/build_info.h). The git version is read at every build; the file is
# written, and the program linked again, only when it changed.
set(build_info_source ${CMAKE_BINARY_DIR}/generated/build_info.cpp)
string(TOUPPER ${CMAKE_BUILD_TYPE} build_type)
string(STRIP "${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${build_type}}" build_flags)
if(LETHE_SANITIZE)
  string(APPEND build_flags " -fsanitize=${LETHE_SANITIZE}")
endif()
add_custom_target(lethe_build_info BYPRODUCTS ${build_info_source}
  COMMAND ${CMAKE_COMMAND} -DSOURCE_DIR=${CMAKE_SOURCE_DIR} -DOUTPUT=${build_info_source}
    -DVERSION=${PROJECT_VERSION} "-DCOMPILER=${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}"
    "-DFLAGS=${build_flags}" -P ${CMAKE_SOURCE_DIR}/tools/cmake/write_build_info.cmake)
set_source_files_properties(${build_info_source} PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
target_sources(lethe_tools PRIVATE ${build_info_source})
add_dependencies(lethe_tools lethe_build_info)
