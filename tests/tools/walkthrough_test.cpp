// docs/adding-an-environment.md, followed word by word: its files are written and its commands run, in their order.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <vector>

#include "configs/atomic_file.h"
#include "tests/temporary_folder.h"

namespace lethe {
namespace {

namespace fs = std::filesystem;
using configs::ReadWholeFile;
using testing::HasSubstr;

const std::string kSource = LETHE_SOURCE_DIR;

/// A block of code: "cpp echo.cpp" is a file of that name; "sh" holds commands for the folder where the last ones
/// ended, "sh tree" for Lethe's own folder.
struct Block {
  std::string language, name, text;
};

std::vector<Block> Blocks() {
  std::vector<Block> blocks;
  std::ifstream page(kSource + "/docs/adding-an-environment.md");
  bool inside = false;
  for (std::string line; std::getline(page, line);) {
    const bool is_fence = line.starts_with("```");
    if (is_fence && !inside) {
      const size_t space = line.find(' ');
      blocks.push_back({line.substr(3, space - 3), space == std::string::npos ? "" : line.substr(space + 1), ""});
    } else if (inside && !is_fence) {
      blocks.back().text += line + "\n";
    }
    inside ^= is_fence;
  }
  return blocks;
}

std::string Replaced(const std::string& text, const char* what, const std::string& by) {
  return std::regex_replace(text, std::regex(what), by);
}

/// Commands for Lethe's own folder. The program is built already, maybe elsewhere; instead of the whole suite, which
/// takes minutes, the build of the new file alone shows that it was found.
std::string InTree(const std::string& commands) {
  std::string mapped = Replaced(commands, "build/release", LETHE_BUILD_DIR);
  mapped = Replaced(mapped, R"(\./lethe test)",
                    "cmake -S . -B build/envs -G Ninja -DLETHE_ENVS_ONLY=ON -DLETHE_TESTS=OFF\n"
                    "ninja -C build/envs CMakeFiles/lethe_envs.dir/envs/parrot.cpp.o");
  return "(cd \"$TREE\"\n" + Replaced(mapped, R"(\./lethe )", LETHE_BINARY " ") + ")\n";
}

std::string Script() {
  std::string script = "set -eux\n";
  for (const Block& block : Blocks()) {
    if (block.language == "sh")
      script += block.name == "tree" ? InTree(block.text) : block.text;
    else
      script += "cat >" + block.name + " <<'END_OF_FILE'\n" + block.text + "END_OF_FILE\n";
  }
  return script;
}

/// As much of the tree as a build of the environments needs.
void CopyTree(const fs::path& to) {
  for (const char* folder : {"configs", "envs", "tools/cmake"})
    fs::copy(fs::path(kSource) / folder, to / folder, fs::copy_options::recursive);
  fs::copy(fs::path(kSource) / "CMakeLists.txt", to / "CMakeLists.txt");
  fs::create_directories(to / "tests/data/golden");
}

// An agent learns the task: a test of the kind `learn`, that runs alone.
TEST(LearnWalkthrough, OfAddingAnEnvironmentWorksAsItIsWritten) {
  const tests::TemporaryFolder folder;
  fs::create_directories(folder / "tree/tools");
  fs::create_directories(folder / "home");
  CopyTree(folder / "tree");
  std::ofstream(folder / "script.sh") << Script();
  const std::string command = "cd " + folder.path() + " && HOME=" + folder.path() + "/home TREE=" + folder.path() +
                              "/tree LETHE_PYTHON=/no/python bash script.sh >out 2>&1 </dev/null";
  const int status = std::system(command.c_str());
  const std::string out = ReadWholeFile(folder / "out");
  ASSERT_EQ(status, 0) << out;
  EXPECT_THAT(out, HasSubstr("Hear a word once, and say it when asked."));
  EXPECT_THAT(out, HasSubstr("5 of 5 episodes match"));
  EXPECT_THAT(out, HasSubstr("95 % interval"));
  EXPECT_TRUE(fs::exists(folder / "home/echo/runs/echo/config.yaml"));
  EXPECT_TRUE(fs::exists(folder / "tree/tests/data/golden/parrot.jsonl"));
  EXPECT_TRUE(fs::exists(folder / "tree/build/envs/CMakeFiles/lethe_envs.dir/envs/parrot.cpp.o"));
}

TEST(Documentation, ShowsTheExamplePluginAsItIs) {
  size_t files = 0;
  for (const Block& block : Blocks()) {
    if (block.language == "sh") continue;
    EXPECT_EQ(block.text, ReadWholeFile(kSource + "/examples/plugin/" + block.name)) << block.name;
    ++files;
  }
  const auto shown = fs::directory_iterator(kSource + "/examples/plugin");
  EXPECT_EQ(files, static_cast<size_t>(std::distance(shown, {})));
}

}  // namespace
}  // namespace lethe
