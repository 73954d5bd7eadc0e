#include "envs/page.h"

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/envs/play.h"

namespace lethe::envs {
namespace {

using ::testing::HasSubstr;

const std::filesystem::path kDocs = std::filesystem::path(LETHE_SOURCE_DIR) / "docs/envs";

std::string ReadText(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST(Page, DocumentationIsWhatTheCodeSays) {
  std::set<std::string> names;
  for (const PageFile& file : PageFiles()) {
    EXPECT_TRUE(ReadText(kDocs / file.name) == file.text) << file.name << ": `./lethe envs docs docs/envs` writes it";
    names.insert(file.name);
  }
  for (const auto& file : std::filesystem::directory_iterator(kDocs))
    EXPECT_TRUE(names.contains(file.path().filename())) << file.path() << " belongs to no environment";
}

TEST(Page, ShowsRulesVariantsSpacesAndOptionsOfTheId) {
  const std::string page = Page("Corridor-4c-v0");
  for (const char* part :
       {"# Corridor-4c-v0\n\nKeep one fact", "**Without memory**", "| Corridor-Short-v0 ", "| 1      | right |",
        "0..13  | kind of the cell -1 rows, -1 columns away", "| colors       | 4 ", "compared by **success**",
        "| length_dist  | uniform | uniform or log_uniform | how lengths are drawn |", "`length_max`, 3..200"})
    EXPECT_THAT(page, HasSubstr(part));
  EXPECT_THROW(Page("Corridor"), std::invalid_argument);
}

TEST(Page, EveryFamilyStatesWhatANewEnvironmentHasToState) {
  for (const std::string& id : Ids()) {
    const std::string& rules = Find(id).rules;
    EXPECT_THAT(rules, ::testing::MatchesRegex("[A-Z].*\\.\n\n(.|\n)*")) << id << ": the first line tells the purpose";
    for (const char* part : {"**Level", "**Limit.**", "**Metrics.**", "**Oracle.**", "**Memory needed.**",
                             "**Without memory", "**Source.**"})
      EXPECT_THAT(rules, HasSubstr(part)) << id;
    EXPECT_GT(Find(id).horizon, 0) << id;
  }
}

TEST(Page, NamesFilesInSnakeCase) {
  EXPECT_EQ(SnakeCase("KeyDoor"), "key_door");
  EXPECT_EQ(SnakeCase("TMaze"), "tmaze");
}

}  // namespace
}  // namespace lethe::envs
