#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <stdexcept>
#include <system_error>
#include <vector>

#include "configs/atomic_file.h"
#include "tools/viewer/recorder_kinds.h"

extern char** environ;

namespace lethe::tools {
namespace {

using configs::FileDescriptor;

/// Nearly lossless (crf 12) but for colours at half resolution, which is what players play. Colours are marked as
/// BT.709, or players would guess by the size. Without -xerror a full disk at the end is no failure to ffmpeg.
std::vector<std::string> FfmpegWords(const PictureFormat& format, const std::string& to) {
  return {"ffmpeg", "-nostdin", "-xerror", "-hide_banner", "-loglevel", "error", "-y",
          // from
          "-f", "rawvideo", "-pixel_format", "bgra", "-video_size", fmt::format("{}x{}", format.width, format.height),
          "-framerate", fmt::format("{}", format.fps), "-i", "pipe:0",
          // to
          "-an", "-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2,scale=out_color_matrix=bt709:out_range=tv,format=yuv420p",
          "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv", "-c:v",
          "libx264", "-crf", "12", "-movflags", "+faststart", "-f", "mp4", "file:" + to};
}

/// The program ffmpeg, fed through a socket: sending to one that ended gives an error and no SIGPIPE. In a process
/// group of its own, so that Ctrl-C ends the recording in order. Killed at the end of this object at the latest.
class Ffmpeg {
 public:
  explicit Ffmpeg(std::vector<std::string> words) : messages_(::memfd_create("ffmpeg", MFD_CLOEXEC)) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
      throw configs::FileError("ffmpeg", "cannot start");
    pictures_ = FileDescriptor(ends[0]);
    const FileDescriptor other_end(ends[1]);
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);

    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, other_end.get(), STDIN_FILENO);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&files, messages_.get(), STDERR_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    const int error = ::posix_spawnp(&pid_, "ffmpeg", &files, &attributes, argv.data(), environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    if (error == ENOENT)
      throw std::invalid_argument(
          ".mp4 needs the program ffmpeg, which is not on the PATH: install the Debian package "
          "ffmpeg, or record a .gif");
    if (error != 0) throw std::system_error(error, std::generic_category(), "ffmpeg: cannot start");
  }
  Ffmpeg(const Ffmpeg&) = delete;
  Ffmpeg& operator=(const Ffmpeg&) = delete;
  ~Ffmpeg() {
    if (pid_ > 0) ::kill(pid_, SIGKILL);
    Wait();
  }

  /// False: it has ended.
  bool Send(std::span<const std::byte> data) const {
    while (!data.empty()) {
      const ssize_t sent = ::send(pictures_.get(), data.data(), data.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0) return false;
      data = data.subspan(static_cast<size_t>(sent));
    }
    return true;
  }

  /// No more pictures. Returns whether all went well.
  bool End() {
    pictures_.Reset();
    return Wait();
  }

  /// The last line that it wrote.
  std::string LastMessage() const {
    std::string text = configs::ReadWholeFile(fmt::format("/proc/self/fd/{}", messages_.get()));
    text.erase(text.find_last_not_of("\r\n ") + 1);
    const std::string line = text.substr(text.rfind('\n') + 1);
    return line.empty() ? "it gives no reason" : line;
  }

 private:
  bool Wait() {
    while (pid_ > 0 && ::waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
    }
    pid_ = 0;
    return WIFEXITED(status_) && WEXITSTATUS(status_) == 0;
  }

  const FileDescriptor messages_;
  FileDescriptor pictures_;
  pid_t pid_ = 0;  ///< 0: it has ended
  int status_ = 0;
};

/// Beside the path, as of AtomicFile, which cannot be used: ffmpeg opens its file by name, and reads it again.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& path) : path_(path), name_(fmt::format("{}.tmp-{}", path, ::getpid())) {
    const FileDescriptor file(::open(name_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    if (file.get() < 0) throw configs::FileError(path_, "cannot create");
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() { ::unlink(name_.c_str()); }

  const std::string& name() const { return name_; }
  void Rename() const {
    if (std::rename(name_.c_str(), path_.c_str()) != 0) throw configs::FileError(path_, "cannot replace");
  }

 private:
  const std::string path_, name_;
};

class Mp4Recorder : public Recorder {
 public:
  Mp4Recorder(const std::string& path, const PictureFormat& format)
      : path_(path), format_(format), file_(path), ffmpeg_(FfmpegWords(format, file_.name())) {}

  void Add(std::span<const uint32_t> pixels) override {
    format_.Check(pixels);
    if (!ffmpeg_.Send(std::as_bytes(pixels))) ThrowReason();
    ++pictures_;
  }

  void Finish() override {
    if (pictures_ == 0) ThrowNoPicture(path_);
    if (!ffmpeg_.End()) ThrowReason();
    file_.Rename();
  }

 private:
  [[noreturn]] void ThrowReason() {
    ffmpeg_.End();
    throw std::runtime_error(fmt::format("{}: ffmpeg failed: {}", path_, ffmpeg_.LastMessage()));
  }

  const std::string path_;
  const PictureFormat format_;
  const TemporaryFile file_;
  Ffmpeg ffmpeg_;
  int pictures_ = 0;
};

}  // namespace

std::unique_ptr<Recorder> MakeMp4Recorder(const std::string& path, const PictureFormat& format) {
  return std::make_unique<Mp4Recorder>(path, format);
}

}  // namespace lethe::tools
