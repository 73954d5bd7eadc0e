# The viewer, tools/viewer/, becomes part of lethe_tools where SDL2, SDL2_ttf, giflib and libpng are found;
# the variable LETHE_VIEWER tells. Else absent.cpp stands in its place. What reads runs without drawing is built always.
find_package(SDL2 2.26 CONFIG QUIET)
find_package(SDL2_ttf 2.0.18 CONFIG QUIET)
find_package(GIF QUIET)
find_package(PNG QUIET)
set(viewer_missing)
foreach(package SDL2 SDL2_ttf GIF PNG)
  if(NOT ${package}_FOUND)
    list(APPEND viewer_missing ${package})
  endif()
endforeach()

set(LETHE_VIEWER OFF)
if(viewer_missing)
  list(JOIN viewer_missing ", " viewer_missing)
  message(STATUS "viewer: left out (${viewer_missing} not found)")
  target_sources(lethe_tools PRIVATE tools/viewer/absent.cpp tools/viewer/run_follower.cpp)
  return()
endif()

set(LETHE_VIEWER ON)
file(GLOB viewer_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tools/viewer/*.cpp)
list(REMOVE_ITEM viewer_sources ${CMAKE_SOURCE_DIR}/tools/viewer/absent.cpp)
target_sources(lethe_tools PRIVATE ${viewer_sources})
target_link_libraries(lethe_tools PRIVATE SDL2::SDL2 SDL2_ttf::SDL2_ttf GIF::GIF PNG::PNG)

# What knows nothing of LibTorch compiles faster without its header.
set(viewer_torch_free canvas glyphs palette recorder gif_file gif_recorder mp4_recorder png_recorder control curves draw
  board_panel legend_panel memories_panel policy_panel timeline_panel help_panel)
list(TRANSFORM viewer_torch_free REPLACE "(.+)" "${CMAKE_SOURCE_DIR}/tools/viewer/\\1.cpp")
set_source_files_properties(${viewer_torch_free} PROPERTIES SKIP_PRECOMPILE_HEADERS ON)

# The font is inside the program.
include(EmbedFile)
lethe_embed_file(lethe_tools ${CMAKE_SOURCE_DIR}/tools/viewer/font/JetBrainsMono-Regular.ttf kRegularFont)
lethe_embed_file(lethe_tools ${CMAKE_SOURCE_DIR}/tools/viewer/font/JetBrainsMono-Bold.ttf kBoldFont)
install(FILES ${CMAKE_SOURCE_DIR}/tools/viewer/font/OFL.txt DESTINATION share/doc/lethe)
