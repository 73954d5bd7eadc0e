# find_package(lethe): lethe::envs, what an environment is compiled with, and lethe_add_plugin(NAME SOURCES...), which
# makes the plug-in libNAME.so for `lethe COMMAND ... --plugin libNAME.so`. The installed folder may be moved.
include(CMakeFindDependencyMacro)
find_dependency(fmt)
find_dependency(nlohmann_json)

get_filename_component(lethe_prefix ${CMAKE_CURRENT_LIST_DIR} REALPATH)
get_filename_component(lethe_prefix ${lethe_prefix}/../../.. ABSOLUTE)
set(lethe_plugin_headers ${lethe_prefix}/include/lethe)
set(lethe_plugin_exports ${lethe_prefix}/share/lethe/plugin/exports.cpp)
include(${CMAKE_CURRENT_LIST_DIR}/LethePlugin.cmake)
