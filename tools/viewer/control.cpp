#include "tools/viewer/control.h"

#include <algorithm>
#include <cctype>
#include <map>

namespace lethe::tools {

const std::vector<KeyBinding>& KeyBindings() {
  static const std::vector<KeyBinding> bindings = {
      {Control::kPlay, {"Space"}, "play, pause", true},
      {Control::kStepForward, {"Right", "."}, "one step on", true},
      {Control::kStepBack, {"Left", ","}, "one step back", true},
      {Control::kFirst, {"Home"}, "first step"},
      {Control::kLast, {"End"}, "newest step; a policy plays to the end at once"},
      {Control::kSlower, {"["}, "half the speed, down to 1/8"},
      {Control::kFaster, {"]"}, "twice the speed, up to 64"},
      {Control::kUnlimited, {"U"}, "as fast as it goes"},
      {Control::kNextEpisode, {"PageDown", "N"}, "next episode"},
      {Control::kPreviousEpisode, {"PageUp", "P"}, "previous episode"},
      {Control::kNewSeed, {"R"}, "another seed"},
      {Control::kGivenSeed, {"G"}, "a seed of your choice: digits, then Return"},
      {Control::kChooser, {"C"}, "draw actions, the likeliest, the oracle's, or at random"},
      {Control::kHead, {"H"}, "attention of the next head, or the mean of all"},
      {Control::kOrder, {"O"}, "memories by time, by span, by attention"},
      {Control::kOnlyLiving, {"L"}, "only living memories, or the dead too"},
      {Control::kBlind, {"B"}, "only what the agent sees, or all"},
      {Control::kZoomIn, {"+", "="}, "larger"},
      {Control::kZoomOut, {"-"}, "smaller"},
      {Control::kFullScreen, {"F11"}, "the whole screen, or a window"},
      {Control::kSaveEpisode, {"Ctrl+S"}, "save the episode, for `lethe view FILE`"},
      {Control::kPicture, {"F12"}, "save what is shown as a PNG"},
      {Control::kHelp, {"F1"}, "this sheet"},
      {Control::kCancel, {"Escape"}, "close this sheet, forget what is marked"},
      {Control::kQuit, {"Ctrl+Q", "Q"}, "quit"},
  };
  return bindings;
}

const std::vector<std::pair<std::string, std::string>>& MouseHelp() {
  static const std::vector<std::pair<std::string, std::string>> help = {
      {"over a memory", "its step, span, what remains of it, attention of each head"},
      {"click a memory", "what was seen then, and where"},
      {"drag the timeline", "go to any step"},
      {"click a button", "as its key"},
      {"wheel", "one step on or back; with Ctrl larger or smaller"},
  };
  return help;
}

std::optional<Control> ControlOf(std::string_view key, bool is_person) {
  for (const KeyBinding& binding : KeyBindings()) {
    if (is_person && binding.yields_to_person && key.size() > 1) continue;
    if (std::ranges::find(binding.keys, key) != binding.keys.end()) return binding.control;
  }
  return std::nullopt;
}

int ActionOf(std::string_view key, const std::vector<std::string>& action_names) {
  static const std::map<std::string_view, std::string_view> moves = {
      {"Up", "up"},   {"Right", "right"}, {"Down", "down"}, {"Left", "left"}, {"W", "up"},
      {"D", "right"}, {"S", "down"},      {"A", "left"},    {"Space", "stay"}};
  if (const auto move = moves.find(key); move != moves.end()) {
    const auto found = std::ranges::find(action_names, move->second);
    return found == action_names.end() ? -1 : static_cast<int>(found - action_names.begin());
  }
  if (key.size() != 1 || !std::isdigit(static_cast<unsigned char>(key[0]))) return -1;
  const int action = key[0] - '0';
  return action < static_cast<int>(action_names.size()) ? action : -1;
}

}  // namespace lethe::tools
