#include "tools/viewer/window.h"

#include <SDL.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include "tools/cpu_time.h"
#include "tools/signals.h"
#include "tools/user_error.h"
#include "tools/viewer/canvas.h"
#include "tools/viewer/describe.h"
#include "tools/viewer/draw.h"
#include "tools/viewer/pointer.h"
#include "tools/viewer/recorder.h"

namespace lethe::tools {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kFrameSeconds = 1.0 / 60, kIdleSeconds = 0.25;
constexpr double kPlayShare = 0.7;       // of a frame that steps may take at unlimited speed
constexpr double kLongestSeconds = 0.5;  // of a frame that lasted longer no more is made up for
constexpr size_t kMostDigits = 10;       // actions that have a key of their own
constexpr int kSmallestWidth = 480, kSmallestHeight = 320;

double Since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

[[noreturn]] void ThrowSdl(const char* what) { throw UserError(fmt::format("{}: {}", what, SDL_GetError())); }

bool IsSet(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0';
}

/// Without this SDL goes on to drivers that show nothing where the display does not answer.
std::string DriversWithADisplay() {
  std::string drivers = IsSet("DISPLAY") ? "x11" : "";
  if (IsSet("WAYLAND_DISPLAY")) drivers += drivers.empty() ? "wayland" : ",wayland";
  return drivers;
}

/// "Ctrl+S", "Space", "+": the names of the input map.
std::string KeyName(const SDL_Keysym& key) {
  std::string name = SDL_GetKeyName(key.sym);
  if (name == "Keypad Enter") name = "Return";
  if (name.starts_with("Keypad ")) name = name.substr(7);
  if (name == "=" && (key.mod & KMOD_SHIFT) != 0) name = "+";
  return ((key.mod & KMOD_CTRL) != 0 ? "Ctrl+" : "") + name;
}

/// A name that is not taken: lethe_1.png, lethe_2.png ...
std::string FreePictureName() {
  for (int i = 1;; ++i) {
    std::string name = fmt::format("lethe_{}.png", i);
    if (!std::filesystem::exists(name)) return name;
  }
}

/// SDL's video, a window and its events.
class Window {
 public:
  Window(Session& session, const WindowOptions& options)
      : session_(session),
        canvas_(options.width, options.height),
        fixed_scale_(options.scale),
        seconds_(options.seconds) {
    SDL_SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1");        // StopSignals has them
    SDL_SetHint(SDL_HINT_FRAMEBUFFER_ACCELERATION, "0");  // pixels as they are
    SDL_SetHint(SDL_HINT_VIDEO_ALLOW_SCREENSAVER, "1");
    SDL_SetHint(SDL_HINT_VIDEODRIVER, DriversWithADisplay().c_str());  // SDL_VIDEODRIVER goes before it
    if (SDL_InitSubSystem(SDL_INIT_VIDEO) != 0) ThrowSdl("there is no display to open a window on");
    window_ = SDL_CreateWindow("lethe", SDL_WINDOWPOS_UNDEFINED, SDL_WINDOWPOS_UNDEFINED, options.width, options.height,
                               SDL_WINDOW_RESIZABLE | SDL_WINDOW_ALLOW_HIGHDPI);
    if (!window_) ThrowSdl("the window cannot be opened");
    SDL_SetWindowMinimumSize(window_, kSmallestWidth, kSmallestHeight);
    FitCanvas();
  }
  /// The window goes with the process. SDL wakes itself up through a second connection to an X display; where such a
  /// message is still under way when its window is destroyed, Xlib ends the process with "BadWindow" and exit code 1.
  ~Window() {
    if (window_) SDL_HideWindow(window_);
  }
  Window(const Window&) = delete;
  Window& operator=(const Window&) = delete;

  WindowPace Run() {
    WindowPace pace;
    const double cpu = ProcessCpuSeconds();
    const auto begin = Clock::now();
    auto last = begin;
    while (!session_.wants_to_quit() && !StopSignals::Requested() && (seconds_ <= 0 || Since(begin) < seconds_)) {
      const auto start = Clock::now();
      const double passed = std::min(kLongestSeconds, std::chrono::duration<double>(start - last).count());
      last = start;
      session_.Advance(passed, [&] { return Since(start) < kPlayShare * kFrameSeconds; });
      if (HasNews()) {
        Show();
        ++pace.frames;
      }
      WaitForEvents(start);
    }
    pace.seconds = Since(begin), pace.cpu_seconds = ProcessCpuSeconds() - cpu;
    return pace;
  }

 private:
  /// Whether the next frame would look different: between two steps at eight a second seven of eight would not. Ages of
  /// weights and messages are looked at as often as while nothing moves.
  bool HasNews() const {
    return is_stale_ || shown_step_ != session_.step() || shown_newest_ != session_.newest() ||
           Since(shown_at_) >= kIdleSeconds;
  }

  void Show() {
    is_stale_ = false;
    shown_step_ = session_.step(), shown_newest_ = session_.newest(), shown_at_ = Clock::now();
    Describe(session_, pointer_.place(), frame_);
    Draw(frame_, canvas_, zones_);
    const auto hovered = session_.hovered();
    pointer_.Stay(zones_, session_);
    if (session_.hovered() != hovered) is_stale_ = true;  // something else has come under the mouse
    SDL_Surface* const surface = SDL_GetWindowSurface(window_);
    if (!surface) ThrowSdl("the window cannot be drawn");
    const auto pixels = canvas_.Pixels();
    SDL_Surface* const drawn =
        SDL_CreateRGBSurfaceWithFormatFrom(const_cast<uint32_t*>(pixels.data()), canvas_.width(), canvas_.height(), 32,
                                           canvas_.width() * 4, SDL_PIXELFORMAT_RGB888);
    if (!drawn) ThrowSdl("the window cannot be drawn");
    SDL_BlitSurface(drawn, nullptr, surface, nullptr);
    SDL_FreeSurface(drawn);
    if (SDL_UpdateWindowSurface(window_) != 0) {  // it has just been resized
      FitCanvas();
      is_stale_ = true;
    }
    const std::string title = fmt::format("{} - {} - lethe", frame_.agents[0].name, frame_.place);
    if (title != title_) SDL_SetWindowTitle(window_, (title_ = title).c_str());
  }

  /// Takes what has happened; sleeps until the next frame is due, longer where nothing moves.
  void WaitForEvents(Clock::time_point start) {
    const double until =
        session_.moves() ? std::clamp(session_.seconds_to_next_step(), kFrameSeconds, kIdleSeconds) : kIdleSeconds;
    SDL_Event event;
    for (double left = until - Since(start);; left = (has_input_ ? kFrameSeconds : until) - Since(start)) {
      const bool came =
          left > 0.001 ? SDL_WaitEventTimeout(&event, static_cast<int>(left * 1000)) != 0 : SDL_PollEvent(&event) != 0;
      if (came) Take(event);
      if (StopSignals::Requested() || session_.wants_to_quit()) break;
      if (!came && left <= 0.001) break;
    }
    is_stale_ |= has_input_;
    has_input_ = false;
  }

  void Take(const SDL_Event& event) {
    switch (event.type) {
      case SDL_QUIT:
        session_.Apply(Control::kQuit);
        break;
      case SDL_WINDOWEVENT:
        if (event.window.event == SDL_WINDOWEVENT_SIZE_CHANGED) FitCanvas();
        if (event.window.event == SDL_WINDOWEVENT_LEAVE) pointer_.Leave(session_);
        break;
      case SDL_KEYDOWN:
        is_ctrl_down_ = (event.key.keysym.mod & KMOD_CTRL) != 0;
        TakeKey(KeyName(event.key.keysym), event.key.repeat != 0);
        break;
      case SDL_KEYUP:
        is_ctrl_down_ = (event.key.keysym.mod & KMOD_CTRL) != 0;
        return;
      case SDL_MOUSEMOTION:
        pointer_.Move(PointOf(event.motion.x, event.motion.y), zones_, session_);
        break;
      case SDL_MOUSEBUTTONDOWN:
        if (event.button.button != SDL_BUTTON_LEFT) return;
        if (const auto control = pointer_.Press(PointOf(event.button.x, event.button.y), zones_, session_))
          Apply(*control);
        break;
      case SDL_MOUSEBUTTONUP:
        pointer_.Release();
        break;
      case SDL_MOUSEWHEEL:
        TakeWheel(event.wheel.y);
        break;
      default:
        return;
    }
    has_input_ = true;
  }

  /// is_held: the keyboard repeats it.
  void TakeKey(const std::string& key, bool is_held) {
    if (session_.is_typing()) return session_.Type(key);
    if (session_.is_person() && TakeAction(key, is_held)) return;
    const auto control = ControlOf(key, session_.is_person());
    if (control && (!is_held || Repeats(*control))) Apply(*control);
  }

  /// True for a key that is an action. A held one does not run on into the next episode.
  bool TakeAction(const std::string& key, bool is_held) {
    const auto& actions = frame_.agents[0].policy.actions;
    const bool is_digit = key.size() == 1 && std::isdigit(static_cast<unsigned char>(key[0]));
    if (is_digit && actions.size() > kMostDigits) {
      session_.TypeAction(key);
      return true;
    }
    const int action = ActionOf(key, actions);
    if (action < 0) return false;
    if (!is_held || !session_.has_ended()) session_.Act(action);
    return true;
  }

  static bool Repeats(Control control) {
    constexpr std::array kRepeat = {Control::kStepForward, Control::kStepBack, Control::kSlower,
                                    Control::kFaster,      Control::kZoomIn,   Control::kZoomOut};
    return std::ranges::find(kRepeat, control) != kRepeat.end();
  }

  void TakeWheel(int turns) {
    for (int i = 0; i < std::abs(turns); ++i) {
      if (is_ctrl_down_)
        Apply(turns > 0 ? Control::kZoomIn : Control::kZoomOut);
      else
        Apply(turns > 0 ? Control::kStepBack : Control::kStepForward);
    }
  }

  void Apply(Control control) {
    if (control == Control::kFullScreen) {
      const bool is_full = (SDL_GetWindowFlags(window_) & SDL_WINDOW_FULLSCREEN_DESKTOP) != 0;
      SDL_SetWindowFullscreen(window_, is_full ? 0 : SDL_WINDOW_FULLSCREEN_DESKTOP);
    } else if (control == Control::kPicture) {
      SavePicture();
    } else {
      session_.Apply(control);
    }
  }

  void SavePicture() {
    const std::string path = FreePictureName();
    try {
      const auto recorder = MakeRecorder(path, canvas_.width(), canvas_.height(), 1);
      recorder->Add(canvas_.Pixels());
      recorder->Finish();
      session_.Say("saved as " + path);
    } catch (const std::exception& error) {
      session_.Say(FirstLine(error.what()));
    }
  }

  void FitCanvas() {
    int width = 0, height = 0, pixel_width = 0, pixel_height = 0;
    SDL_GetWindowSize(window_, &width, &height);
    SDL_GetWindowSizeInPixels(window_, &pixel_width, &pixel_height);
    per_unit_ = static_cast<double>(pixel_width) / std::max(1, width);
    const double scale = fixed_scale_ > 0 ? fixed_scale_ : std::clamp(per_unit_, 0.5, 8.0);
    canvas_.Resize(std::max(1, pixel_width), std::max(1, pixel_height), scale);
  }

  /// Of the mouse, in points.
  Point PointOf(int x, int y) const { return {x * per_unit_ / canvas_.scale(), y * per_unit_ / canvas_.scale()}; }

  Session& session_;
  Canvas canvas_;
  const double fixed_scale_, seconds_;
  SDL_Window* window_ = nullptr;
  double per_unit_ = 1;  // pixels for a unit of the window system
  Frame frame_;
  Zones zones_;
  Pointer pointer_;
  std::string title_;
  bool has_input_ = false;
  bool is_stale_ = true;  // what is shown
  int64_t shown_step_ = 0, shown_newest_ = 0;
  Clock::time_point shown_at_;
  bool is_ctrl_down_ = false;  // by the events taken so far; SDL_GetModState already knows later ones
};

}  // namespace

bool HasDisplay() { return IsSet("DISPLAY") || IsSet("WAYLAND_DISPLAY"); }

WindowPace ShowInWindow(Session& session, const WindowOptions& options) { return Window(session, options).Run(); }

}  // namespace lethe::tools
