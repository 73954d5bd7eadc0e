#include "tools/viewer/view.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <optional>

#include "agents/episode_file.h"
#include "configs/nearest.h"
#include "envs/registry.h"
#include "tools/signals.h"
#include "tools/user_error.h"
#include "tools/viewer/player.h"
#include "tools/viewer/recording.h"
#include "tools/viewer/session.h"
#include "tools/viewer/view_flags.h"
#include "tools/viewer/window.h"

namespace lethe::tools {
namespace {

namespace fs = std::filesystem;
using agents::Chooser;

constexpr const char* kDetails =
    R"(Shows episodes, and which memories an agent still has of them: the board on the left; on the right a strip for
each layer, a cell for every past step. Brightness is attention now, colour is how long the memory will still
be kept, hatched is fading, dark is forgotten. F1 lists the keys.

RUN plays with the newest weights of a run and follows it while it trains: new weights are taken up with the
next episode. Two runs stand side by side on the same levels. ID plays an environment with its oracle. FILE is
a saved episode, or the weights of a run. Behind a run, key=value changes its options (`env.length_max=500`);
behind an ID those of the environment (`length_max=500`).

--record needs no display: .gif, .mp4 (through ffmpeg), .png (one picture of the last step, or numbered ones
with %05d).

Examples:
  lethe view runs/corridor
  lethe view runs/corridor env.length_max=500 --seed 7 --actions greedy
  lethe view runs/corridor runs/corridor_2
  lethe view Portal-Short-v0
  lethe view runs/corridor --record corridor.gif --episodes 2 --size 960x640
  lethe view runs/corridor --save-episode episode.safetensors)";

bool IsRunFolder(const std::string& word) { return fs::is_regular_file(fs::path(word) / "config.yaml"); }

bool IsEnvironment(const std::string& word) {
  const auto ids = envs::Ids();
  return std::ranges::find(ids, word) != ids.end();
}

/// What a word that is nothing may have meant: an environment, or a run in this folder.
std::vector<std::string> KnownNames() {
  std::vector<std::string> names = envs::Ids();
  std::error_code unreadable;
  for (const auto& entry : fs::directory_iterator(".", unreadable))
    if (IsRunFolder(entry.path().string())) names.push_back(entry.path().filename().string());
  return names;
}

std::unique_ptr<Player> PlayerOf(const std::string& word, const CommandLine& line) {
  const bool is_file = fs::is_regular_file(word);
  if (is_file && agents::IsEpisodeFile(word)) {
    line.RequireNoOverrides("a saved episode");
    return MakeFilePlayer(word);
  }
  if (is_file || IsRunFolder(word)) return MakeRunPlayer(word, line.overrides());
  if (IsEnvironment(word)) return MakeEnvPlayer(word, line.overrides(), false);
  const bool looks_like_path =
      word.find('/') != std::string::npos || fs::exists(word) || word.ends_with(".safetensors");
  if (looks_like_path) return MakeRunPlayer(word, line.overrides());  // says what is wrong with it
  const std::string near = configs::DidYouMean(word, KnownNames());
  throw UserError(fmt::format("`{}` is no run, no file and no environment{}", word,
                              near.empty() ? "; `lethe envs` lists environments" : near));
}

void RequireSameLevels(const Player& a, const Player& b) {
  constexpr const char* kWhy = "two are shown side by side on the same levels";
  if (a.env_id() != b.env_id())
    throw UserError(fmt::format("{} plays {} and {} plays {}: {}", a.name(), a.env_id(), b.name(), b.env_id(), kWhy));
  const envs::Json values = a.params()->ToJson(), others = b.params()->ToJson();
  for (const auto& [name, value] : values.items()) {
    if (others[name] != value)
      throw UserError(fmt::format("env.{0} is {1} in {2} and {3} in {4}: {5}; env.{0}={1} behind them sets both", name,
                                  value.dump(), a.name(), others[name].dump(), b.name(), kWhy));
  }
}

std::vector<std::unique_ptr<Player>> PlayersOf(const CommandLine& line) {
  if (line.words().empty())
    throw UserError("view needs a run, an environment or a saved episode: view RUN|ID|FILE [RUN] [key=value ...]");
  std::vector<std::unique_ptr<Player>> players;
  for (const std::string& word : line.words()) players.push_back(PlayerOf(word, line));
  if (players.size() < 2) return players;
  for (const auto& player : players)
    if (player->Recorded()) throw UserError("a saved episode is shown alone, not beside another");
  RequireSameLevels(*players[0], *players[1]);
  return players;
}

struct Size {
  int width = 1280, height = 800;  // in pixels
  double scale = 0;                // 0: that of the screen
};

/// scale: where the command line names none.
Size SizeOf(const CommandLine& line, double scale) {
  constexpr int kLeastWidth = 480, kLeastHeight = 320, kMost = 8192;  // the least in points
  Size size;
  size.scale = line.Number("scale", scale, 0.5, 8);
  const std::string text = line.Text("size", "1280x800");
  char end = 0;
  const bool is_read = std::sscanf(text.c_str(), "%5dx%5d%c", &size.width, &size.height, &end) == 2;
  const double per_point = size.scale > 0 ? size.scale : 1;
  const auto fits = [&](int length, int least) { return length >= least * per_point && length <= kMost; };
  if (!is_read || !fits(size.width, kLeastWidth) || !fits(size.height, kLeastHeight))
    throw UserError(fmt::format("--size is {}; allowed at scale {:.4g}: {:.0f}x{:.0f} to {}x{}, as in 1280x800", text,
                                per_point, kLeastWidth * per_point, kLeastHeight * per_point, kMost, kMost));
  return size;
}

double SpeedOf(const CommandLine& line) {
  constexpr double kLowest = 1, kHighest = 512, kDefault = 8;
  if (line.Text("speed") == "max") return std::numeric_limits<double>::infinity();
  return line.Number("speed", kDefault, kLowest, kHighest);
}

std::optional<Chooser> ChooserOf(const CommandLine& line, const Session& session) {
  if (!line.Has("actions")) return std::nullopt;
  const std::string text = line.Text("actions");
  if (session.is_replay()) throw UserError("--actions: the actions of a saved episode are fixed");
  const bool has_policy = session.seats()[0].player->has_policy();
  if (text == "oracle") return Chooser::kOracle;
  if (text == "random") return Chooser::kRandom;
  if (text != "sample" && text != "greedy")
    throw UserError(fmt::format("--actions is {}; allowed: sample, greedy, oracle or random", text));
  if (!has_policy) throw UserError(fmt::format("--actions {} needs a run: an environment alone has no policy", text));
  return text == "sample" ? Chooser::kSample : Chooser::kGreedy;
}

constexpr int64_t kLargestSeed = 9'000'000'000'000'000, kLargestNumber = 0xFFFFFFFF;

/// The session as the command line asks for it, at its first step.
Session SessionOf(const CommandLine& line) {
  Session session(PlayersOf(line));
  if (const auto chooser = ChooserOf(line, session)) session.SetChooser(*chooser);
  session.SetSpeed(SpeedOf(line));
  session.SetPlaying(!line.Has("paused"));
  session.SetOnlyLiving(line.Has("living"));
  if (line.Has("seed") || line.Has("episode")) {
    if (session.is_replay()) throw UserError("--seed and --episode: a saved episode has its own");
    session.Begin(static_cast<uint64_t>(line.Integer("seed", static_cast<int64_t>(session.seed()), 0, kLargestSeed)),
                  static_cast<uint64_t>(line.Integer("episode", 0, 0, kLargestNumber)));
  }
  return session;
}

int RecordPictures(Session& session, const CommandLine& line, int64_t last_step) {
  const Size size = SizeOf(line, 1);
  RecordingOptions options;
  options.path = line.Text("record");
  options.width = size.width, options.height = size.height;
  options.scale = size.scale;
  options.episodes = line.Integer("episodes", 1, 1, 1'000'000);
  options.steps_per_second = SpeedOf(line);
  options.last_step = last_step;
  options.stop = StopSignals::Requested;
  if (session.is_replay() && options.episodes > 1) throw UserError("--episodes: a saved episode is one");
  const int64_t pictures = AsUserError([&] { return Record(session, options); });
  fmt::print("{} {} in {}\n", pictures, pictures == 1 ? "picture" : "pictures", options.path);
  return StopSignals::Requested() ? 128 + StopSignals::Received() : 0;
}

int SaveOneEpisode(Session& session, const CommandLine& line, int64_t last_step) {
  const std::string path = line.Text("save-episode");
  if (!path.ends_with(".safetensors"))
    throw UserError(fmt::format("--save-episode is {}; it has to end in .safetensors", path));
  if (session.seats().size() > 1) throw UserError("--save-episode saves the episode of one; two are named");
  while (!StopSignals::Requested() && session.step() != last_step && session.PlayStep()) {
  }
  const agents::PlayedEpisode& episode = *session.seats()[0].episode;
  AsUserError([&] { agents::SaveEpisode(path, episode, session.seats()[0].player->env_id()); });
  fmt::print("{} steps in {}\n", episode.newest(), path);
  return StopSignals::Requested() ? 128 + StopSignals::Received() : 0;
}

void CheckTogether(const CommandLine& line) {
  if (line.Has("record") && line.Has("save-episode"))
    throw UserError("--record and --save-episode exclude each other; `lethe view FILE --record` shows what was saved");
  if (line.Has("episodes") && !line.Has("record")) throw UserError("--episodes needs --record FILE");
}

int RunView(const CommandLine& line) {
  line.RequireAtMostWords(2);
  CheckTogether(line);
  const StopSignals signals;
  Session session = SessionOf(line);
  if (!line.Has("record") && !line.Has("save-episode")) RequireWindow();
  const int64_t last_step = line.Has("step") ? line.Integer("step", 0, 0, std::numeric_limits<int32_t>::max()) : -1;
  if (line.Has("save-episode")) return SaveOneEpisode(session, line, last_step);
  if (line.Has("record")) return RecordPictures(session, line, last_step);
  while (session.step() < last_step && session.PlayStep()) {
  }
  const Size size = SizeOf(line, 0);
  WindowOptions window;
  window.width = size.width, window.height = size.height;
  window.scale = size.scale;
  ShowInWindow(session, window);
  return StopSignals::Requested() ? 128 + StopSignals::Received() : 0;
}

}  // namespace

Command ViewCommand() {
  return {"view",
          "RUN|ID|FILE [RUN] [key=value ...] [flags]",
          "watch an agent, and what it still remembers",
          kDetails,
          ViewFlags(),
          RunView};
}

int PlayInWindow(const std::string& id, const std::vector<std::string>& overrides, bool is_blind) {
  const StopSignals signals;
  std::vector<std::unique_ptr<Player>> players;
  players.push_back(MakeEnvPlayer(id, overrides, true));
  Session session(std::move(players));
  session.SetBlind(is_blind);
  ShowInWindow(session, {});
  return StopSignals::Requested() ? 128 + StopSignals::Received() : 0;
}

bool CanOpenWindow() { return HasDisplay(); }

void RequireWindow() {
  if (HasDisplay()) return;
  throw UserError(
      "there is no display (DISPLAY and WAYLAND_DISPLAY are not set); `lethe view ... --record FILE` writes pictures "
      "without one");
}

}  // namespace lethe::tools
