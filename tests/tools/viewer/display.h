#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/tools/program.h"
#include "tests/tools/viewer/viewed_run.h"

namespace lethe::tests {

/// Waits until `happened`, looking often. False: half a minute passed.
inline bool Eventually(const std::function<bool()>& happened) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!happened()) {
    if (std::chrono::steady_clock::now() > give_up) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(4));
  }
  return true;
}

/// In a child: does not outlive the test, however that ends.
inline void EndWithParent() { ::prctl(PR_SET_PDEATHSIG, SIGTERM); }

/// What Xvfb keeps its screen in: a file in the format of xwd. Its header is numbers of 4 bytes, the highest first.
class ScreenFile {
 public:
  explicit ScreenFile(const std::string& path) {
    const configs::FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat s {};
    if (file.get() < 0 || ::fstat(file.get(), &s) != 0) throw std::runtime_error(path + ": no screen");
    size_ = static_cast<size_t>(s.st_size);
    void* const bytes = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file.get(), 0);
    if (bytes == MAP_FAILED) throw std::runtime_error(path + ": cannot be mapped");
    bytes_ = static_cast<const uint8_t*>(bytes);
  }
  ScreenFile(const ScreenFile&) = delete;
  ScreenFile& operator=(const ScreenFile&) = delete;
  ~ScreenFile() { ::munmap(const_cast<uint8_t*>(bytes_), size_); }

  /// Pixels of a part of the screen; what lies outside is left black.
  Image Grab(int x, int y, int width, int height) const {
    constexpr size_t kWidth = 4, kHeight = 5, kBytesPerLine = 12, kColors = 19, kBytesPerColor = 12;
    const size_t begin = Number(0) + Number(kColors) * kBytesPerColor;
    Image image = {width, height, Picture(static_cast<size_t>(width) * static_cast<size_t>(height), 0xFF000000)};
    for (int row = std::max(0, -y); row < height && y + row < static_cast<int>(Number(kHeight)); ++row) {
      const int first = std::max(0, -x), last = std::min(width, static_cast<int>(Number(kWidth)) - x);
      if (last <= first) break;
      uint32_t* const to = image.pixels.data() + row * width + first;
      std::memcpy(to, bytes_ + begin + static_cast<size_t>(y + row) * Number(kBytesPerLine) + 4 * (x + first),
                  4 * static_cast<size_t>(last - first));
      for (int i = 0; i < last - first; ++i) to[i] |= 0xFF000000;
    }
    return image;
  }

 private:
  uint32_t Number(size_t i) const {
    const uint8_t* b = bytes_ + 4 * i;
    return uint32_t{b[0]} << 24 | uint32_t{b[1]} << 16 | uint32_t{b[2]} << 8 | b[3];
  }

  const uint8_t* bytes_ = nullptr;
  size_t size_ = 0;
};

/// A screen of 1600x1000 that nobody sees, without a window manager; it ends with this object or the test program.
class Display {
 public:
  Display() {
    // Two that start at once may want the same number; the loser ends.
    for (int attempt = 0; attempt < 5 && number_ < 0; ++attempt) Start();
    if (number_ < 0) throw std::runtime_error("Xvfb does not start: " + server_->Wait().err);
    screen_ = std::make_unique<ScreenFile>(folder_ / "Xvfb_screen0");
  }
  ~Display() {
    server_->Send(SIGTERM);  // on which it removes its socket
    server_->Wait();
  }

  static bool CanStart() {
    const auto found = [](const char* name) { return std::filesystem::exists(std::string("/usr/bin/") + name); };
    return found("Xvfb") && found("xdotool");
  }

  int number() const { return number_; }
  const ScreenFile& screen() const { return *screen_; }

  /// For `before` of a Program: shows its windows here, and ends with the test.
  std::function<void()> Here() const {
    return [number = number_] {
      TakeDisplay();
      char name[16];
      std::snprintf(name, sizeof name, ":%d", number);
      ::setenv("DISPLAY", name, 1);
      ::setenv("SDL_VIDEODRIVER", "x11", 1);
      EndWithParent();
    };
  }

  /// What xdotool prints. An error of its own is none: a window may be gone when a key is let go.
  std::string Do(std::vector<std::string> words) const {
    words.insert(words.begin(), "xdotool");
    return Program(".", words, Here(), "/usr/bin/env").Wait().out;
  }

 private:
  void Start() {
    const std::string told = folder_ / "number";
    std::filesystem::remove(told);
    server_ = std::make_unique<Program>(
        folder_.path(),
        std::vector<std::string>{"Xvfb", "-displayfd", "9", "-screen", "0", "1600x1000x24", "-fbdir", folder_.path(),
                                 "-noreset", "-nolisten", "tcp"},
        [&] {
          ::dup2(::open(told.c_str(), O_WRONLY | O_CREAT, 0666), 9);
          EndWithParent();
        },
        "/usr/bin/env");
    WaitUntil(*server_, [&] { return ReadNumber(told); });
  }
  bool ReadNumber(const std::string& told) {
    std::string line;
    std::ifstream file(told);
    if (!std::getline(file, line) || file.eof()) return false;  // the whole line, with its end
    number_ = std::stoi(line);
    return true;
  }

  const TemporaryFolder folder_;
  std::unique_ptr<Program> server_;
  int number_ = -1;
  std::unique_ptr<ScreenFile> screen_;
};

/// Says to a window what the cross of a window manager says: WM_DELETE_WINDOW. xdotool of Debian 12 cannot; these are
/// three requests of the X protocol (its "Encoding": https://www.x.org/releases/current/doc/xproto/x11protocol.html).
class CloseRequest {
 public:
  CloseRequest(int display, uint32_t window) : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::snprintf(address.sun_path, sizeof address.sun_path, "/tmp/.X11-unix/X%d", display);
    if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      throw std::runtime_error("cannot connect to the display");
    Send({'l' | 11u << 16, 0, 0});
    std::vector<uint32_t> setup(2);
    Receive(setup.data(), 8);
    if ((setup[0] & 0xFF) != 1) throw std::runtime_error("the display refuses");
    setup.resize(setup[1] >> 16);
    Receive(setup.data(), 4 * setup.size());
    const uint32_t protocols = Atom("WM_PROTOCOLS"), close = Atom("WM_DELETE_WINDOW");
    Send({25 | 11u << 16, window, 0, 33 | 32u << 8, window, protocols, close, 0, 0, 0, 0});
    Atom("WM_PROTOCOLS");  // an answer: all before was taken
  }

 private:
  void Send(const std::vector<uint32_t>& words) {
    const size_t size = 4 * words.size();
    if (::send(socket_.get(), words.data(), size, MSG_NOSIGNAL) != static_cast<ssize_t>(size))
      throw std::runtime_error("the display is gone");
  }
  void Receive(void* to, size_t size) {
    if (::recv(socket_.get(), to, size, MSG_WAITALL) != static_cast<ssize_t>(size))
      throw std::runtime_error("the display does not answer");
  }
  uint32_t Atom(const std::string& name) {
    std::vector<uint32_t> words(2 + (name.size() + 3) / 4);
    words[0] = 16 | static_cast<uint32_t>(words.size()) << 16;
    words[1] = static_cast<uint32_t>(name.size());
    std::memcpy(&words[2], name.data(), name.size());
    Send(words);
    uint32_t reply[8];
    Receive(reply, sizeof reply);
    return reply[2];
  }

  const configs::FileDescriptor socket_;
};

/// For ShownWindow::Mouse, without the pauses of xdotool's own. Buttons 4 and 5 are the wheel, up and down.
inline std::vector<std::string> Click(int button) {
  return {"mousedown", std::to_string(button), "mouseup", std::to_string(button)};
}

/// A window on a display, found by its title.
class ShownWindow {
 public:
  /// title: a regular expression. Errors: std::runtime_error where none has come within half a minute.
  ShownWindow(const Display& display, const std::string& title) : display_(display) {
    if (!Eventually([&] { return Find(display, title, id_); })) throw std::runtime_error("no window " + title);
    Locate();
  }

  static bool Find(const Display& display, const std::string& title, std::string& id) {
    const std::string ids = display.Do({"search", "--onlyvisible", "--name", title});
    id = ids.substr(0, ids.find('\n'));
    return !id.empty();
  }

  std::string Title() const {
    const std::string title = display_.Do({"getwindowname", id_});
    return title.substr(0, title.find('\n'));
  }
  pid_t Process() const { return std::stoi(display_.Do({"getwindowpid", id_})); }
  bool IsOpen() const { return !display_.Do({"getwindowgeometry", "--shell", id_}).empty(); }

  Image Grab() const { return display_.screen().Grab(x_, y_, width_, height_); }

  void Key(const std::string& key) const { display_.Do({"key", "--delay", "0", key}); }
  void MoveTo(double x, double y) const { Mouse(x, y, {}); }
  /// Moves there, then more of xdotool's words: Click(1), {"mousedown", "1"}, ...
  void Mouse(double x, double y, const std::vector<std::string>& then) const {
    std::vector<std::string> words = {"mousemove", std::to_string(x_ + static_cast<int>(x)),
                                      std::to_string(y_ + static_cast<int>(y))};
    words.insert(words.end(), then.begin(), then.end());
    display_.Do(words);
  }
  void Close() const { CloseRequest(display_.number(), static_cast<uint32_t>(std::stoul(id_))); }

  /// Returns once the window has this size.
  void Resize(int width, int height) {
    display_.Do({"windowsize", id_, std::to_string(width), std::to_string(height)});
    Eventually([&] { return Locate(), width_ == width && height_ == height; });
  }

 private:
  void Locate() {
    std::istringstream lines(display_.Do({"getwindowgeometry", "--shell", id_}));
    for (std::string line; std::getline(lines, line);) {
      const auto read = [&](const char* name, int& value) {
        if (line.starts_with(name)) value = std::stoi(line.substr(std::strlen(name)));
      };
      read("X=", x_), read("Y=", y_), read("WIDTH=", width_), read("HEIGHT=", height_);
    }
  }

  const Display& display_;
  std::string id_;
  int x_ = 0, y_ = 0, width_ = 0, height_ = 0;
};

}  // namespace lethe::tests
