#include "tools/play_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>

namespace lethe::tools {
namespace {

using Kind = PlayKeys::Kind;

constexpr size_t kMostOneDigitActions = 10;
constexpr char kEscape = '\x1b';

const std::map<char, const char*> kMoves = {{'w', "up"}, {'d', "right"}, {'s', "down"}, {'a', "left"}, {' ', "stay"}};
const std::map<char, const char*> kArrows = {{'A', "up"}, {'B', "down"}, {'C', "right"}, {'D', "left"}};
const std::map<char, Kind> kCommands = {{'o', Kind::kOracle}, {'r', Kind::kRestart}, {'v', Kind::kView},
                                        {'?', Kind::kHelp},   {'q', Kind::kQuit},    {'\x04', Kind::kQuit}};

}  // namespace

PlayKeys::PlayKeys(const envs::Spec& spec) : actions_(spec.action_names) {}

std::optional<int> PlayKeys::ActionNamed(const std::string& name) const {
  const auto found = std::find(actions_.begin(), actions_.end(), name);
  if (found == actions_.end()) return std::nullopt;
  return static_cast<int>(found - actions_.begin());
}

PlayKeys::Command PlayKeys::Take(char byte) {
  if (!escape_.empty()) return FromEscape(byte);
  if (byte == kEscape) {
    escape_ = byte;
    return {};
  }
  if (std::isdigit(static_cast<unsigned char>(byte))) {
    number_ += byte;
    return actions_.size() > kMostOneDigitActions ? Command{} : FromNumber();
  }
  if (byte == '\n' || byte == '\r') return number_.empty() ? Command{} : FromNumber();
  number_.clear();
  if (const auto move = kMoves.find(byte); move != kMoves.end()) {
    if (const auto action = ActionNamed(move->second)) return {Kind::kAction, *action, ""};
  }
  if (const auto command = kCommands.find(byte); command != kCommands.end()) return {command->second, 0, ""};
  return {Kind::kUnknown, 0, std::string(1, byte)};
}

PlayKeys::Command PlayKeys::FromEscape(char byte) {
  escape_ += byte;
  const bool is_introducer = escape_.size() == 2 && (byte == '[' || byte == 'O');
  const bool is_parameter = escape_.size() > 2 && byte >= 0x20 && byte < 0x40;
  if (is_introducer || is_parameter) return {};
  const bool is_plain = std::exchange(escape_, "").size() == 3;  // without parameters, such as Shift
  if (const auto arrow = kArrows.find(byte); is_plain && arrow != kArrows.end()) {
    if (const auto action = ActionNamed(arrow->second)) return {Kind::kAction, *action, ""};
  }
  return {Kind::kUnknown, 0, "that key"};
}

PlayKeys::Command PlayKeys::FromNumber() {
  const std::string digits = std::exchange(number_, "");
  const bool fits = digits.size() < 4 && std::stoul(digits) < actions_.size();
  if (!fits) return {Kind::kUnknown, 0, digits};
  return {Kind::kAction, std::stoi(digits), ""};
}

std::string PlayKeys::Help() const {
  std::string text;
  if (ActionNamed("up") && ActionNamed("left")) text += "arrows or w a s d move; ";
  if (ActionNamed("stay")) text += "space stays; ";
  if (text.empty()) {
    const bool needs_enter = actions_.size() > kMostOneDigitActions;
    text += fmt::format("0..{} act{}; ", actions_.size() - 1, needs_enter ? ", with Enter" : "");
  }
  return text + "o: the oracle's action; v: only what an agent sees, or all; r: next level; ?: keys; q: quit";
}

}  // namespace lethe::tools
