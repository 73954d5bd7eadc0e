// Data flows one way, and so do includes: which folder may include which, and which libraries stay where.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace lethe::tools {
namespace {

namespace fs = std::filesystem;
using Names = std::set<std::string>;

const Names kFolders = {"configs", "envs", "memory", "agents", "tools", "tests", "examples"};

/// Folders that files of a folder may include, itself apart.
const std::map<std::string, Names> kMayInclude = {
    {"configs", {}},
    {"envs", {"configs"}},
    {"memory", {}},
    {"agents", {"envs", "memory", "configs"}},
    {"tools", {"envs", "memory", "configs", "agents"}},
    {"tests", {"envs", "memory", "configs", "agents", "tools"}},
    {"examples", {"envs", "memory"}},
};

/// A library, by the start of its include, and the places (a path starts with one of them) that may know it.
struct Library {
  const char* name;
  std::regex include;
  std::vector<std::string> places;
};

const std::vector<Library> kLibraries = {
    {"LibTorch",
     std::regex("(torch|ATen|c10)/.*"),
     {"memory/", "agents/", "tools/", "tests/memory/", "tests/agents/", "tests/tools/", "examples/memory/"}},
    {"yaml-cpp", std::regex("yaml-cpp/.*"), {"configs/yaml.cpp"}},
    {"Boost", std::regex("boost/.*"), {"tools/"}},
    {"nanobind", std::regex("nanobind/.*"), {"tools/python/"}},
    {"SDL", std::regex("SDL.*"), {"tools/viewer/"}},
    {"giflib", std::regex("gif_lib\\.h"), {"tools/viewer/", "tests/tools/viewer/"}},
    {"libpng", std::regex("png\\.h"), {"tools/viewer/", "tests/tools/viewer/"}},
    {"CUDA", std::regex("(cuda|cublas|curand).*\\.h"), {"memory/kernels/", "agents/device"}},
};

/// Files that must build without LibTorch, so that ThreadSanitizer can watch them alone.
const Names kTorchFree = {"agents/queue.h"};

std::string FolderOf(const std::string& path) { return path.substr(0, path.find('/')); }

bool StartsWithOneOf(const std::string& path, const std::vector<std::string>& places) {
  return std::any_of(places.begin(), places.end(), [&](const std::string& place) { return path.starts_with(place); });
}

/// What is wrong with `included` standing in the file `path`; "" if nothing.
std::string Fault(const std::string& path, const std::string& included) {
  for (const Library& library : kLibraries) {
    if (!std::regex_match(included, library.include)) continue;
    if (StartsWithOneOf(path, library.places) && !kTorchFree.contains(path)) return "";
    return fmt::format("{} includes {}: {} belongs to {}", path, included, library.name,
                       fmt::join(library.places, ", "));
  }
  const std::string from = FolderOf(path), to = FolderOf(included);
  if (included.starts_with("../") || included.starts_with("./"))
    return path + " includes " + included + ": write it from the root";
  if (to == included || !kFolders.contains(to) || to == from) return "";  // <memory> is the standard library's
  if (!kMayInclude.at(from).contains(to))
    return fmt::format("{} includes {}: {} never knows {}", path, included, from, to);
  if (from == "tests" && included.ends_with(".cpp")) return path + " includes " + included + ": tests use headers";
  return "";
}

std::vector<std::string> IncludesOf(std::istream& text) {
  static const std::regex kInclude(R"(^\s*#\s*include\s*[<"]([^>"]+)[>"].*)");
  std::vector<std::string> includes;
  std::smatch match;
  for (std::string line; std::getline(text, line);)
    if (std::regex_match(line, match, kInclude)) includes.push_back(match[1]);
  return includes;
}

std::vector<std::string> SourceFiles() {
  const fs::path root = LETHE_SOURCE_DIR;
  std::vector<std::string> files;
  for (const std::string& folder : kFolders)
    for (const auto& entry : fs::recursive_directory_iterator(root / folder))
      if (Names{".h", ".cpp", ".cu", ".cuh"}.contains(entry.path().extension().string()))
        files.push_back(fs::relative(entry.path(), root).string());
  return files;
}

TEST(Includes, DirectionsHoldInEveryFile) {
  const auto files = SourceFiles();
  size_t includes = 0;
  for (const std::string& path : files) {
    std::ifstream text(fs::path(LETHE_SOURCE_DIR) / path);
    for (const std::string& included : IncludesOf(text)) {
      ++includes;
      EXPECT_EQ(Fault(path, included), "");
    }
  }
  EXPECT_GT(files.size(), 100u);
  EXPECT_GT(includes, 500u);
}

TEST(Includes, WrongDirectionsAreFound) {
  const std::pair<const char*, const char*> wrong[] = {
      {"configs/range.h", "envs/spec.h"},
      {"configs/options.cpp", "yaml-cpp/yaml.h"},
      {"envs/corridor.cpp", "torch/torch.h"},
      {"envs/grid.h", "memory/core.h"},
      {"memory/core.h", "configs/options.h"},
      {"memory/kernels/simd.h", "envs/spec.h"},
      {"memory/core.h", "agents/policy.h"},
      {"agents/queue.h", "torch/torch.h"},
      {"agents/policy.h", "tools/train.h"},
      {"agents/policy.h", "boost/optional.h"},
      {"tools/train.cpp", "SDL2/SDL.h"},
      {"tools/train.cpp", "png.h"},
      {"tests/tools/a_test.cpp", "gif_lib.h"},
      {"tests/envs/a_test.cpp", "ATen/ATen.h"},
      {"tools/train.cpp", "tests/play.h"},
      {"tests/tools/a_test.cpp", "tools/train.cpp"},
      {"envs/grid.h", "../configs/range.h"},
      {"examples/plugin/echo.cpp", "configs/options.h"},
      {"examples/plugin/echo.cpp", "torch/torch.h"},
  };
  for (const auto& [path, included] : wrong) EXPECT_NE(Fault(path, included), "") << path << " " << included;
}

TEST(Includes, RightDirectionsPass) {
  const std::pair<const char*, const char*> right[] = {
      {"configs/yaml.cpp", "yaml-cpp/yaml.h"},
      {"envs/grid.h", "configs/range.h"},
      {"envs/grid.h", "envs/spec.h"},
      {"memory/core.h", "torch/torch.h"},
      {"agents/policy.h", "memory/core.h"},
      {"tools/train.cpp", "boost/program_options.hpp"},
      {"tools/viewer/window.cpp", "SDL.h"},
      {"tests/tools/viewer/a_test.cpp", "gif_lib.h"},
      {"tests/agents/a_test.cpp", "envs/spec.h"},
      {"configs/range.h", "fmt/format.h"},
      {"configs/range.h", "memory"},
  };
  for (const auto& [path, included] : right) EXPECT_EQ(Fault(path, included), "") << path << " " << included;
}

TEST(Includes, AreReadWithSpacesAndQuotes) {
  std::istringstream text("#pragma once\n  # include  \"envs/spec.h\"  // why\n#include <vector>\n// #include <map>\n");
  EXPECT_EQ(IncludesOf(text), (std::vector<std::string>{"envs/spec.h", "vector"}));
}

}  // namespace
}  // namespace lethe::tools
