#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::tools {

/// Everything a person can tell the viewer with a key or a button.
enum class Control {
  kPlay,
  kStepForward,
  kStepBack,
  kFirst,
  kLast,
  kSlower,
  kFaster,
  kUnlimited,
  kNextEpisode,
  kPreviousEpisode,
  kNewSeed,
  kGivenSeed,
  kChooser,
  kHead,
  kOrder,
  kOnlyLiving,
  kBlind,
  kZoomIn,
  kZoomOut,
  kFullScreen,
  kSaveEpisode,
  kPicture,
  kHelp,
  kCancel,
  kQuit,
};

/// One line of the input map: the only place that knows keys, and what the help sheet is made of.
struct KeyBinding {
  Control control;
  std::vector<std::string> keys;  ///< names as KeyName gives them: "Space", "Ctrl+S"
  std::string help;
  bool yields_to_person = false;  ///< its keys are actions where a person plays
};
const std::vector<KeyBinding>& KeyBindings();

/// What is done with the mouse, for the help sheet: {what, effect}.
const std::vector<std::pair<std::string, std::string>>& MouseHelp();

/// The control of a key; none for one without.
std::optional<Control> ControlOf(std::string_view key, bool is_person);

/// The action that a person's key stands for, by the names of the actions: arrows and w a s d for up, left, down,
/// right, Space for stay, a digit for any of the first ten. -1: none.
int ActionOf(std::string_view key, const std::vector<std::string>& action_names);

}  // namespace lethe::tools
