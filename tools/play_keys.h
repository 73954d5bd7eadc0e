#pragma once

#include <optional>
#include <string>
#include <vector>

#include "envs/spec.h"

namespace lethe::tools {

/// Keys of a person who plays in a terminal. Actions called up, right, down, left and stay have arrows, w d s a and the
/// space bar as well as their number; others have 0..9, and where there are more than ten, numbers end with Enter.
class PlayKeys {
 public:
  enum class Kind { kNone, kAction, kOracle, kRestart, kView, kHelp, kQuit, kUnknown };
  struct Command {
    Kind kind = Kind::kNone;
    int action = 0;    ///< of kAction
    std::string text;  ///< of kUnknown: what was typed
  };

  explicit PlayKeys(const envs::Spec& spec);

  /// Takes in one byte of the terminal, and gives the command that it completes; kNone in the middle of one.
  Command Take(char byte);

  /// Which keys there are, for people: "arrows or wdsa, space: stay; o: oracle; ...".
  std::string Help() const;

 private:
  Command FromEscape(char byte);
  Command FromNumber();
  std::optional<int> ActionNamed(const std::string& name) const;

  std::vector<std::string> actions_;
  std::string escape_;  // bytes of an arrow key so far
  std::string number_;  // digits so far
};

}  // namespace lethe::tools
