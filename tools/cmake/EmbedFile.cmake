# lethe_embed_file(TARGET FILE NAME): compiles a file into a target, as
#   namespace lethe::tools { extern const std::span<const unsigned char> NAME; }
function(lethe_embed_file target file name)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  file(READ ${file} digits HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes ${digits})
  string(REGEX REPLACE "(................................................................................)" "\\1\n" bytes ${bytes})
  set(source ${CMAKE_BINARY_DIR}/generated/${name}.cpp)
  file(CONFIGURE OUTPUT ${source} CONTENT [[
#include <span>

namespace lethe::tools {
namespace {
constexpr unsigned char kBytes[] = {
@bytes@};
}  // namespace
extern const std::span<const unsigned char> @name@;
constinit const std::span<const unsigned char> @name@(kBytes);
}  // namespace lethe::tools
]] @ONLY)
  set_source_files_properties(${source} PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
  target_sources(${target} PRIVATE ${source})
endfunction()
