#include "tools/viewer/control.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

namespace lethe::tools {
namespace {

using testing::Contains;

const std::vector<std::string> kMoves = {"up", "right", "down", "left"};
const std::vector<std::string> kMovesAndStay = {"up", "right", "down", "left", "stay"};

std::multiset<std::string> AllKeys() {
  std::multiset<std::string> keys;
  for (const KeyBinding& binding : KeyBindings()) keys.insert(binding.keys.begin(), binding.keys.end());
  return keys;
}

TEST(KeyBindings, NoKeyStandsForTwoControls) {
  const auto keys = AllKeys();
  for (const std::string& key : keys) EXPECT_EQ(keys.count(key), 1u) << key;
}

/// kQuit is the last one.
TEST(KeyBindings, EveryControlHasOneLineWithKeysAndHelp) {
  std::map<Control, int> lines;
  for (const KeyBinding& binding : KeyBindings()) {
    ++lines[binding.control];
    EXPECT_FALSE(binding.keys.empty());
    EXPECT_FALSE(binding.help.empty());
  }
  for (int i = 0; i <= static_cast<int>(Control::kQuit); ++i) EXPECT_EQ(lines[static_cast<Control>(i)], 1) << i;
  EXPECT_EQ(lines.size(), KeyBindings().size());
}

TEST(KeyBindings, TheMouseIsExplainedToo) {
  EXPECT_FALSE(MouseHelp().empty());
  for (const auto& [what, effect] : MouseHelp()) {
    EXPECT_FALSE(what.empty());
    EXPECT_FALSE(effect.empty()) << what;
  }
}

/// SDL names keys that print by their character, letters in capitals; others as listed here.
TEST(KeyBindings, NamesAreThoseThatSdlGives) {
  const std::set<std::string> names = {"Space", "Return", "Escape", "Backspace", "Tab",      "Left",   "Right",
                                       "Up",    "Down",   "Home",   "End",       "PageDown", "PageUp", "Insert",
                                       "F1",    "F2",     "F10",    "F11",       "F12",      "Delete"};
  for (std::string key : AllKeys()) {
    SCOPED_TRACE(key);
    if (key.starts_with("Ctrl+")) key = key.substr(5);
    if (key.size() > 1) {
      EXPECT_THAT(names, Contains(key));
    } else {
      EXPECT_EQ(std::toupper(static_cast<unsigned char>(key[0])), key[0]);
      EXPECT_NE(std::isgraph(static_cast<unsigned char>(key[0])), 0);
    }
  }
}

/// A plus lies on the shifted equals sign of many keyboards and on a key of its own on others.
TEST(ControlOf, FindsEveryKeyAndNoOther) {
  for (const KeyBinding& binding : KeyBindings())
    for (const std::string& key : binding.keys) EXPECT_EQ(ControlOf(key, false), binding.control) << key;
  EXPECT_EQ(ControlOf("+", false), Control::kZoomIn);
  EXPECT_EQ(ControlOf("=", false), Control::kZoomIn);
  for (const char* key : {"", "7", "q", "space", "F13", "Ctrl+Space", "Ctrl+Ctrl+Q"})
    EXPECT_EQ(ControlOf(key, false), std::nullopt) << key;
  EXPECT_NE(ControlOf("S", false), Control::kSaveEpisode) << "that is Ctrl+S";
}

TEST(ControlOf, LeavesAPersonTheKeysOfActions) {
  for (const char* key : {"Space", "Left", "Right"}) {
    EXPECT_NE(ControlOf(key, false), std::nullopt) << key;
    EXPECT_EQ(ControlOf(key, true), std::nullopt) << key;
  }
  EXPECT_EQ(ControlOf(".", true), Control::kStepForward);
  EXPECT_EQ(ControlOf(",", true), Control::kStepBack);
  for (const char* key : {"Escape", "F1", "PageDown", "PageUp", "Home", "End", "N", "R", "Ctrl+S", "Ctrl+Q"})
    EXPECT_EQ(ControlOf(key, true), ControlOf(key, false)) << key;
}

/// A key that is an action is never reached by ControlOf: no control may need one of them alone.
TEST(ControlOf, EveryControlKeepsAKeyForAPersonButPlay) {
  for (const KeyBinding& binding : KeyBindings()) {
    if (binding.control == Control::kPlay) continue;  // who acts by hand has nothing to play or pause
    const bool has_key = std::ranges::any_of(binding.keys, [&](const std::string& key) {
      return ActionOf(key, kMovesAndStay) < 0 && ControlOf(key, true) == binding.control;
    });
    EXPECT_TRUE(has_key) << binding.help;
  }
}

TEST(ActionOf, ArrowsAndLettersAreMovesByName) {
  for (const auto& [key, action] : std::map<std::string, int>{
           {"Up", 0}, {"Right", 1}, {"Down", 2}, {"Left", 3}, {"W", 0}, {"D", 1}, {"S", 2}, {"A", 3}})
    EXPECT_EQ(ActionOf(key, kMoves), action) << key;
  EXPECT_EQ(ActionOf("Up", {"stay", "up"}), 1) << "by name, not by number";
  EXPECT_EQ(ActionOf("Up", {"flip 0", "flip 1"}), -1);
}

TEST(ActionOf, SpaceStaysWhereThatIsAnAction) {
  EXPECT_EQ(ActionOf("Space", kMovesAndStay), 4);
  EXPECT_EQ(ActionOf("Space", kMoves), -1);
}

TEST(ActionOf, DigitsAreActionsByNumber) {
  EXPECT_EQ(ActionOf("0", {"a", "b"}), 0);
  EXPECT_EQ(ActionOf("1", {"a", "b"}), 1);
  EXPECT_EQ(ActionOf("2", {"a", "b"}), -1);
  EXPECT_EQ(ActionOf("9", std::vector<std::string>(104, "flip")), 9);
}

TEST(ActionOf, OtherKeysAreNone) {
  for (const char* key : {"", "Escape", "F1", "PageDown", "Q", "w", "12", "Ctrl+S", "+", "\xC3\xA4"})
    EXPECT_EQ(ActionOf(key, kMovesAndStay), -1) << key;
}

}  // namespace
}  // namespace lethe::tools
