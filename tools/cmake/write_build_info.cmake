# Run at build time: fills build_info.cpp.in.
find_program(git_program git)
set(GIT_VERSION unknown)
if(git_program)
  execute_process(COMMAND ${git_program} describe --always --dirty --tags WORKING_DIRECTORY ${SOURCE_DIR}
    OUTPUT_VARIABLE described OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
  if(NOT failed)
    set(GIT_VERSION ${described})
  endif()
endif()
configure_file(${CMAKE_CURRENT_LIST_DIR}/build_info.cpp.in ${OUTPUT} @ONLY)
