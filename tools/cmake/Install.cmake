# cmake --install build/release --prefix DIR: the program, its CUDA kernels where built, operators and trained agents
# for Python's torch, configs, plots, what plug-ins are built with, licence. A build of the environments alone installs
# what plug-ins are built with, and the licence.
include(CMakePackageConfigHelpers)

# LibTorch stays where it is: the installed program keeps the run path to it.
# The program looks for liblethe_cuda.so in ../lib, in the build folder and in an installed tree alike.
if(TARGET lethe)
  set_target_properties(lethe PROPERTIES
    BUILD_RPATH "$ORIGIN/../lib" INSTALL_RPATH "$ORIGIN/../lib;${LibTorch_LIB_DIR}")
  install(TARGETS lethe RUNTIME DESTINATION bin)
  set_target_properties(lethe_ops lethe_agent PROPERTIES INSTALL_RPATH "${LibTorch_LIB_DIR}")
  install(TARGETS lethe_ops lethe_agent LIBRARY DESTINATION lib)
  install(DIRECTORY ${CMAKE_SOURCE_DIR}/configs/ DESTINATION share/lethe/configs FILES_MATCHING PATTERN "*.yaml")
  install(FILES ${CMAKE_SOURCE_DIR}/tools/plot.py DESTINATION share/lethe)
endif()

# Headers without a source file beside them are all that an environment includes: a plug-in links nothing of ours.
file(GLOB headers RELATIVE ${CMAKE_SOURCE_DIR} CONFIGURE_DEPENDS configs/*.h envs/*.h)
foreach(header IN LISTS headers)
  string(REGEX REPLACE "\\.h$" ".cpp" source ${header})
  get_filename_component(folder ${header} DIRECTORY)
  if(NOT EXISTS ${CMAKE_SOURCE_DIR}/${source})
    install(FILES ${header} DESTINATION include/lethe/${folder})
  endif()
endforeach()
install(FILES ${CMAKE_SOURCE_DIR}/envs/plugin/exports.cpp DESTINATION share/lethe/plugin)

# find_package(lethe). One version only: a plug-in is built with the headers of the program that loads it.
write_basic_package_version_file(${CMAKE_BINARY_DIR}/generated/lethe-config-version.cmake
  COMPATIBILITY ExactVersion)
install(FILES ${CMAKE_SOURCE_DIR}/tools/cmake/lethe-config.cmake ${CMAKE_SOURCE_DIR}/tools/cmake/LethePlugin.cmake
  ${CMAKE_BINARY_DIR}/generated/lethe-config-version.cmake DESTINATION lib/cmake/lethe)

install(FILES ${CMAKE_SOURCE_DIR}/LICENSE ${CMAKE_SOURCE_DIR}/README.md DESTINATION share/doc/lethe)
