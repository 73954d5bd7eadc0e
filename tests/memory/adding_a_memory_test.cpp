// docs/adding-a-memory.md shows the files of examples/memory, which this program runs, and points at files that exist.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>

#include "memory/registry.h"

namespace lethe::memory {
namespace {

namespace fs = std::filesystem;

const fs::path kSource = LETHE_SOURCE_DIR;

std::string Text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Blocks of code that are files: "```cpp moving_average.h".
std::map<std::string, std::string> FilesOf(const std::string& page) {
  std::map<std::string, std::string> files;
  std::istringstream lines(page);
  std::string* inside = nullptr;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("```")) {
      inside = inside == nullptr && line.starts_with("```cpp ") ? &files[line.substr(7)] : nullptr;
    } else if (inside != nullptr) {
      *inside += line + "\n";
    }
  }
  return files;
}

TEST(AddingAMemory, ThePageShowsTheExampleAsItIs) {
  const auto files = FilesOf(Text(kSource / "docs/adding-a-memory.md"));
  EXPECT_EQ(files.size(), 2u);
  for (const auto& entry : fs::directory_iterator(kSource / "examples/memory")) {
    const std::string name = entry.path().filename().string();
    ASSERT_TRUE(files.contains(name)) << name;
    EXPECT_EQ(files.at(name), Text(entry.path())) << name;
  }
}

TEST(AddingAMemory, TheExampleIsRegistered) { EXPECT_EQ(FindCore("moving_average").name, "moving_average"); }

TEST(AddingAMemory, LinksLeadToFiles) {
  const std::string page = Text(kSource / "docs/adding-a-memory.md");
  const std::regex link(R"(\]\(([^)#]+)\))");
  int links = 0;
  for (auto found = std::sregex_iterator(page.begin(), page.end(), link); found != std::sregex_iterator();
       ++found, ++links)
    EXPECT_TRUE(fs::exists(kSource / "docs" / (*found)[1].str())) << (*found)[1];
  EXPECT_GT(links, 10);
}

}  // namespace
}  // namespace lethe::memory
