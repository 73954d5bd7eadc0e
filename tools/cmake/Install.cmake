# cmake --install build/release --prefix DIR: the program, its CUDA kernels where built, configs, plots, licence.
# LibTorch stays where it is: the installed program keeps the run path to it.
# The program looks for liblethe_cuda.so in ../lib, in the build folder and in an installed tree alike.
set_target_properties(lethe PROPERTIES
  BUILD_RPATH "$ORIGIN/../lib" INSTALL_RPATH "$ORIGIN/../lib;${LibTorch_LIB_DIR}")
install(TARGETS lethe RUNTIME DESTINATION bin)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/configs/ DESTINATION share/lethe/configs FILES_MATCHING PATTERN "*.yaml")
install(FILES ${CMAKE_SOURCE_DIR}/tools/plot.py DESTINATION share/lethe)
install(FILES ${CMAKE_SOURCE_DIR}/LICENSE ${CMAKE_SOURCE_DIR}/README.md DESTINATION share/doc/lethe)
