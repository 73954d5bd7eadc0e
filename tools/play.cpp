#include "tools/play.h"

#include <fmt/format.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <span>

#include "envs/grid.h"
#include "envs/registry.h"
#include "tools/level_options.h"
#include "tools/play_keys.h"
#include "tools/signals.h"
#include "tools/user_error.h"
#include "tools/viewer/view.h"

namespace lethe::tools {
namespace {

constexpr const char* kDetails =
    R"(Plays an environment in a window, with arrow keys; F1 lists the others. Without a display, with --text or where
keys are piped in: in the terminal, a byte is a key. What is shown is the whole state, the secret included; --blind
shows only what an agent sees, which is how the task is meant. Options of the environment are written without
`env.`; `seed` is that of the levels.

Examples:
  lethe play Corridor-Short-v0
  lethe play Portal-Short-v0 --blind seed=3
  echo dddw | lethe play Corridor-v0 length_max=4)";

const std::vector<Flag> kFlags = {
    {"text", "", "in this terminal; the default where there is no display, or input that is piped in"},
    {"window", "", "in a window; the default where there is a display"},
    {"blind", "", "shows only the observation"},
};

constexpr size_t kMostNamedTokens = 4;

/// Keys arrive at once and unseen while an object of this class lives, if standard input is a terminal.
class RawTerminal {
 public:
  RawTerminal() : is_terminal_(::tcgetattr(STDIN_FILENO, &saved_) == 0) {
    if (!is_terminal_) return;
    termios raw = saved_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  }
  ~RawTerminal() {
    if (is_terminal_) ::tcsetattr(STDIN_FILENO, TCSANOW, &saved_);
  }
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

 private:
  termios saved_{};
  const bool is_terminal_;
};

/// Side of the square that a gridworld's observation begins with; 0: no gridworld.
int64_t ViewOf(const envs::Spec& spec) { return std::llround(std::floor(std::sqrt(static_cast<double>(spec.cells)))); }

/// One person's game: the only row of a batch.
class Game {
 public:
  Game(std::unique_ptr<envs::EnvBatch> batch, bool is_blind)
      : batch_(std::move(batch)),
        keys_(batch_->spec()),
        view_(ViewOf(batch_->spec())),
        is_blind_(is_blind),
        observation_(static_cast<size_t>(batch_->num_tokens())) {
    Restart();
  }

  enum class Next { kNothing, kShow, kQuit };

  Next Take(char byte) {
    const PlayKeys::Command command = keys_.Take(byte);
    switch (command.kind) {
      case PlayKeys::Kind::kNone:
        return Next::kNothing;
      case PlayKeys::Kind::kAction:
        Act(static_cast<uint8_t>(command.action));
        break;
      case PlayKeys::Kind::kOracle:
        ActAsOracle();
        break;
      case PlayKeys::Kind::kRestart:
        Restart();
        break;
      case PlayKeys::Kind::kView:
        is_blind_ = !is_blind_;
        break;
      case PlayKeys::Kind::kHelp:
        note_ = keys_.Help();
        break;
      case PlayKeys::Kind::kQuit:
        return Next::kQuit;
      case PlayKeys::Kind::kUnknown:
        note_ = fmt::format("no action `{}`; {}", command.text, keys_.Help());
        break;
    }
    return Next::kShow;
  }

  /// The state as it is to be shown now.
  std::string Screen() {
    std::string text =
        fmt::format("{}, level {}, step {}, return {:.4g}\n\n", batch_->spec().family, level_, steps_, return_);
    text += (is_blind_ ? ViewText() : batch_->Text(0)) + TokensText();
    return text + "\n" + std::exchange(note_, keys_.Help()) + "\n";
  }

 private:
  void Restart() {
    batch_->Restart(0, observation_.data());
    ended_ = false;
    steps_ = 0;
    return_ = 0;
    ++level_;
    note_ = keys_.Help();
  }

  void ActAsOracle() {
    uint8_t action = 0;
    batch_->Oracle(&action);
    Act(action);
  }

  void Act(uint8_t action) {
    if (ended_) return Restart();
    float reward = 0;
    uint8_t terminated = 0, truncated = 0, start = 0;
    batch_->Step(&action, {observation_.data(), &reward, &terminated, &truncated, &start});
    ++steps_;
    return_ += reward;
    note_ = fmt::format("{}: reward {:.4g}", batch_->spec().action_names[action], reward);
    ended_ = terminated != 0 || truncated != 0;
    if (!ended_) return;
    note_ += fmt::format(". {}; any action starts the next level.\n", terminated ? "The end" : "Out of time");
    const auto& names = batch_->spec().metric_names;
    for (size_t i = 0; i < names.size(); ++i)
      note_ += fmt::format("{} {:.4g}  ", names[i], batch_->EpisodeMetrics(0)[i]);
  }

  /// Of gridworlds: the square around the agent.
  std::string ViewText() const {
    if (view_ == 0) return "";
    const int side = static_cast<int>(view_);
    envs::Picture seen{side, side, {}, side / 2, side / 2};
    for (size_t i = 0; i < static_cast<size_t>(side) * static_cast<size_t>(side); ++i)
      seen.cells.push_back({observation_[2 * i], observation_[2 * i + 1]});
    const bool has_things = std::ranges::any_of(seen.cells, [](envs::Cell cell) { return cell.kind >= envs::kPad; });
    return has_things ? envs::GridPairsText(seen) : envs::GridText(seen);
  }

  /// The other tokens of the observation, by their meaning if they are few.
  std::string TokensText() const {
    const auto first = 2 * static_cast<size_t>(view_ * view_);
    const auto tokens = std::span(observation_).subspan(first);
    std::string text;
    if (tokens.size() > kMostNamedTokens) return fmt::format("observation: {}\n", fmt::join(tokens, " "));
    for (size_t i = 0; i < tokens.size(); ++i)
      text += fmt::format("{}: {}\n", batch_->spec().tokens[first + i].meaning, tokens[i]);
    return text;
  }

  const std::unique_ptr<envs::EnvBatch> batch_;
  PlayKeys keys_;
  const int64_t view_;  // side of the observed square; 0: no gridworld
  bool is_blind_;
  std::vector<uint8_t> observation_;
  bool ended_ = false;
  int64_t level_ = 0, steps_ = 0;
  double return_ = 0;
  std::string note_;
};

/// Waits for the next byte of standard input; false: there is none, or a signal asks to stop.
bool ReadByte(char& byte) {
  pollfd input{STDIN_FILENO, POLLIN, 0};
  while (::poll(&input, 1, -1) < 0 && !StopSignals::Requested()) {
  }
  return !StopSignals::Requested() && ::read(STDIN_FILENO, &byte, 1) == 1;
}

bool WantsWindow(const CommandLine& line) {
  if (line.Has("window") && line.Has("text")) throw UserError("--window and --text exclude each other");
  return line.Has("window") || (!line.Has("text") && ::isatty(STDIN_FILENO) && CanOpenWindow());
}

int Play(const CommandLine& line) {
  line.RequireAtMostWords(1);
  if (line.words().empty()) throw UserError("play needs an environment; `lethe envs` lists them");
  if (WantsWindow(line)) {
    RequireWindow();
    return PlayInWindow(line.words()[0], line.overrides(), line.Has("blind"));
  }
  const LevelOptions level(line.words()[0], line.overrides());
  Game game(level.MakeBatch(envs::Purpose::kDemonstrate), line.Has("blind"));
  const bool is_terminal = ::isatty(STDIN_FILENO) && ::isatty(STDOUT_FILENO);
  const StopSignals signals;  // so that the terminal is put right after Ctrl-C
  const RawTerminal raw;
  const auto show = [&] {
    fmt::print("{}{}", is_terminal ? "\x1b[H\x1b[2J" : "\n", game.Screen());
    std::fflush(stdout);
  };
  show();
  auto next = Game::Next::kNothing;
  for (char byte = 0; next != Game::Next::kQuit && ReadByte(byte);) {
    next = game.Take(byte);
    if (next == Game::Next::kShow) show();
  }
  return StopSignals::Requested() ? 128 + StopSignals::Received() : 0;
}

}  // namespace

Command PlayCommand() {
  return {"play", "ID [key=value ...] [flags]", "play an environment yourself", kDetails, kFlags, Play};
}

}  // namespace lethe::tools
