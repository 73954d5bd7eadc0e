// Loading plug-ins: the good ones, and what is refused. Their sources are in tests/envs/plugins and examples/plugin.

#include "envs/plugin.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "envs/entry_check.h"
#include "envs/plugin_abi.h"
#include "tests/child_process.h"
#include "tests/envs/play.h"
#include "tests/temporary_folder.h"

namespace lethe::envs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kEcho = LETHE_TEST_PLUGINS "/libplugin_echo.so";
const std::string kFlawed = LETHE_TEST_PLUGINS "/libplugin_flawed.so";

std::string ErrorOfLoading(const std::string& path) {
  return ErrorOf([&] { LoadPlugin(path); });
}

struct Flawed {
  std::string flaw;
  std::string message;
};

std::ostream& operator<<(std::ostream& out, const Flawed& flawed) { return out << flawed.flaw; }

class PluginRefused : public ::testing::TestWithParam<Flawed> {
 protected:
  PluginRefused() { ::setenv("LETHE_TEST_FLAW", GetParam().flaw.c_str(), 1); }
  ~PluginRefused() override { ::unsetenv("LETHE_TEST_FLAW"); }
};

// Of this process: is the file mapped?
bool IsOpen(const std::string& path) {
  std::ifstream maps("/proc/self/maps");
  std::ostringstream text;
  text << maps.rdbuf();
  return text.str().find(path) != std::string::npos;
}

TEST_P(PluginRefused, WithTheReasonAndNothingStays) {
  // A copy, since another test may have loaded the file itself for good.
  const tests::TemporaryFolder folder;
  const std::string path = folder / "libplugin.so";
  std::filesystem::copy(kFlawed, path);
  const auto before = Ids();
  const std::string error = ErrorOfLoading(path);
  EXPECT_THAT(error, testing::StartsWith(path + ": "));
  EXPECT_THAT(error, HasSubstr(GetParam().message));
  EXPECT_EQ(Ids(), before);
  EXPECT_FALSE(IsOpen(path));
}

const std::string kGcc4 = std::string("compiler: the plug-in has GCC 4, this program has ") + detail::kCompiler;
const std::string kVersion = fmt::format("interface: the plug-in has 4000000, this program has {};", kPluginVersion);

INSTANTIATE_TEST_SUITE_P(Every, PluginRefused,
                         ::testing::ValuesIn(std::vector<Flawed>{
                             {"no_abi", "no plug-in of Lethe"},
                             {"magic", "no plug-in of Lethe"},
                             {"version", kVersion},
                             {"facts", "number of facts: the plug-in has 3"},
                             {"compiler", kGcc4},
                             {"size", fmt::format("size of EnvBatch: the plug-in has {}, this program has {};",
                                                  sizeof(EnvBatch) + 8, sizeof(EnvBatch))},
                             {"name", "the plug-in has size of the moon, this program has size of EnvBatch"},
                             {"throw", "an error of its own"},
                             {"throw_number", "no std::exception"},
                             {"nothing", "it registers no environment"},
                             {"taken", "environment Corridor-v0 is there already"},
                             {"twice", "environment Told-v0 is there already"},
                             {"family", "Corridor-Told-v0: family Corridor version 0 is there already"},
                             {"id", "told-v0: no id of the family `Told`; allowed: Told-v0, Told-Word-v0"},
                             {"id_version", "Told-v1: no id"},
                             {"other_spec", "Tell-v0: its spec is that of Told version 0"},
                             {"rules", "Told-Twice-v0: it states no rules"},
                             {"no_batch", "Told-Twice-v0: it cannot be made"},
                             {"null_batch", "Told-Twice-v0: it makes no batch"},
                             {"null_params", "Told-Twice-v0: it makes no parameters"},
                             {"check", "never good enough"},
                             {"metrics", "Told-v0: its score metric success is not among its metrics"},
                             {"action_name", "Told-v0: it has an action without a name"},
                             {"same_names", "Told-v0: it has two actions \"left\""},
                             {"meaning", "Told-v0: it has a token without a meaning"},
                             {"value_names",
                              "Told-v0: the token \"what pays: nothing to see, left, right\" has 3 values, but names "
                              "for 4"},
                             {"cells", "Told-v0: its spec says 1 cells of two tokens each, but 1 tokens"},
                             {"cell_values",
                              "Told-v0: the token \"c\" of a cell has 4 values, that of the first cell 3"},
                             {"curriculum", "Told-v0: its curriculum parameter tmies is none of its integer"},
                             {"curriculum_type", "Told-v0: its curriculum parameter hint is none of its integer"},
                             {"curriculum_range", "Told-v0: its curriculum goes from 2 to 0"},
                             {"more_tokens", "Told-v0: it writes more than the 1 tokens of its spec"},
                             {"unwritten", "Told-v0: token 0 is not written, or not the same with the same seed"},
                             {"tokens", "Told-v0: token 0 is 7; its spec says 0..2"},
                             {"no_explanation", "Told has rules to Explain, but its spec has none"},
                             {"explanation_values", "right\" has 300 values; allowed: 2..256"},
                             {"explains_more", "Told-v0: its scout explains more than the 1 tokens of its spec"},
                             {"explains_else", "Told-v0: token 0 of the explanation is 7; its spec says 0..2"},
                             {"unexplained", "Told-v0: token 0 of the explanation is not written"},
                         }),
                         [](const auto& test) { return test.param.flaw; });

TEST(Plugin, WhatIsNoPluginIsRefused) {
  const tests::TemporaryFolder folder;
  const std::string text = folder / "text.so";
  std::ofstream(text) << "This is no shared library, however long it goes on about it: no ELF header, nothing.\n";
  const auto before = Ids();
  EXPECT_EQ(ErrorOfLoading(folder / "none.so"), folder / "none.so: no such file");
  EXPECT_EQ(ErrorOfLoading(text), text + ": invalid ELF header");
  EXPECT_THAT(ErrorOfLoading(folder.path()), testing::StartsWith(folder.path() + ": "));
  EXPECT_EQ(ErrorOfLoading(LETHE_TEST_PLUGINS "/libplugin_empty.so"),
            LETHE_TEST_PLUGINS "/libplugin_empty.so: no plug-in of Lethe: it has no function lethe_plugin_abi");
  EXPECT_THAT(ErrorOfLoading(LETHE_TEST_PLUGINS "/libplugin_abi_only.so"),
              HasSubstr("it has no function lethe_plugin_register"));
  EXPECT_EQ(Ids(), before);
}

// Their lists of entries are both called OwnEntries, and so is the program's. In a process of its own: what stays of
// the second one would stand in the way of its flawed copies.
TEST(Plugin, TwoInOneProcessKeepApart) {
  const std::string seen = tests::MessageFromChild([] {
    LoadPlugin(kEcho);
    const size_t before = Ids().size();
    const auto ids = LoadPlugin(kFlawed);
    const std::string twice = Find("Told-Twice-v0").make_params()->Get("times").dump();
    const std::string foreign = ErrorOf([] { Find("Told-v0").make_batch(*Find("Echo-v0").make_params(), {}); });
    throw std::runtime_error(fmt::format("{} more, {}; {}, told {} times: {}", Ids().size() - before,
                                         fmt::join(ids, " and "), FindFamily("Echo", 0).id, twice, foreign));
  });
  EXPECT_EQ(seen, "2 more, Told-v0 and Told-Twice-v0; Echo-v0, told 2 times: these are not parameters of Told");
}

TEST(Plugin, ErrorsOfAnEnvironmentReachTheProgram) {
  LoadPlugin(kEcho);
  EXPECT_THAT(ErrorOf([] { Find("Echo-v0").make_params()->Set("word", 5); }), HasSubstr("did you mean `words`?"));
  EXPECT_THROW(Find("Echo-v0").make_batch(*Find("Corridor-v0").make_params(), {}), std::invalid_argument);
  EXPECT_THROW(MakeBatch("Echo-v0", {.size = 0}), std::invalid_argument);
  EXPECT_THROW(MakeBatch("Echo-v0", {})->Text(0), std::logic_error);
}

TEST(Plugin, ASecondLoadGivesTheIdsAgain) {
  const auto ids = LoadPlugin(kEcho);
  const auto all = Ids();
  const Entry* entry = &Find("Echo-v0");
  EXPECT_EQ(LoadPlugin(kEcho), ids);
  EXPECT_EQ(LoadPlugin(LETHE_TEST_PLUGINS "/../plugins/libplugin_echo.so"), ids);
  EXPECT_EQ(Ids(), all);
  EXPECT_EQ(&Find("Echo-v0"), entry);
}

TEST(Plugin, ACopyOfALoadedOneIsRefused) {
  LoadPlugin(kEcho);
  const tests::TemporaryFolder folder;
  std::filesystem::copy(kEcho, folder / "copy.so");
  EXPECT_THAT(ErrorOfLoading(folder / "copy.so"), HasSubstr("environment Echo-v0 is there already"));
}

TEST(Plugin, ANameWithoutFolderIsAFileHere) {
  const auto here = std::filesystem::current_path();
  std::filesystem::current_path(LETHE_TEST_PLUGINS);
  EXPECT_THAT(LoadPlugin("libplugin_echo.so"), ElementsAre("Echo-v0", "Echo-Long-v0"));
  std::filesystem::current_path(here);
}

// `nm -D`: what it wants of others, and what it shows them.
TEST(Plugin, WantsNoSymbolOfTheProgramAndShowsItsTwoFunctions) {
  FILE* pipe = ::popen(("nm -D -C " + kEcho + " 2>&1").c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::string text;
  for (int letter; (letter = std::fgetc(pipe)) != EOF;) text += static_cast<char>(letter);
  ASSERT_EQ(::pclose(pipe), 0) << text;
  EXPECT_THAT(text, HasSubstr(" T lethe_plugin_abi\n"));
  EXPECT_THAT(text, HasSubstr(" T lethe_plugin_register\n"));
  for (const char* other : {"lethe::", "nlohmann::", "fmt::", " u "}) EXPECT_THAT(text, Not(HasSubstr(other)));
}

TEST(EntryCheck, EveryEnvironmentPasses) {
  for (const std::string& id : Ids()) EXPECT_EQ(ErrorOf([&] { CheckEntry(Find(id)); }), "");
}

}  // namespace
}  // namespace lethe::envs
