#include "configs/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

#include <fmt/format.h>

namespace lethe::configs {
namespace {

constexpr std::string_view kTemporaryMark = ".tmp-";

FileDescriptor Open(const std::string& path, int flags, const std::string& action) {
  FileDescriptor file(::open(path.c_str(), flags | O_CLOEXEC, 0666));
  if (file.get() < 0) throw FileError(path, action);
  return file;
}

/// Errors speak of the file that was wanted.
FileDescriptor CreateTemporary(const std::string& temporary, const std::string& path) {
  FileDescriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (file.get() < 0) throw FileError(path, "cannot create");
  return file;
}

/// A rename is durable once its folder is. Some file systems refuse to sync a folder (EINVAL): nothing to do there.
void SyncFolderOf(const std::string& path) {
  const auto parent = std::filesystem::path(path).parent_path();
  const std::string folder = parent.empty() ? "." : parent.string();
  const FileDescriptor file = Open(folder, O_RDONLY | O_DIRECTORY, "cannot open the folder");
  if (::fsync(file.get()) != 0 && errno != EINVAL) throw FileError(folder, "cannot sync the folder");
}

}  // namespace

std::system_error FileError(const std::string& path, const std::string& action) {
  return {errno, std::generic_category(), fmt::format("{}: {}", path, action)};
}

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  if (this != &other) {
    Reset();
    fd_ = other.Release();
  }
  return *this;
}

int FileDescriptor::Release() { return std::exchange(fd_, -1); }

void FileDescriptor::Reset() {
  if (fd_ >= 0) ::close(Release());
}

void WriteAll(int fd, std::span<const std::byte> data, const std::string& path) {
  while (!data.empty()) {
    const ssize_t written = ::write(fd, data.data(), data.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw FileError(path, "cannot write");
    data = data.subspan(static_cast<size_t>(written));
  }
}

std::string ReadWholeFile(const std::string& path) {
  const FileDescriptor file = Open(path, O_RDONLY, "cannot open");
  std::string content;
  char piece[1 << 16];
  while (true) {
    const ssize_t got = ::read(file.get(), piece, sizeof piece);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw FileError(path, "cannot read");
    if (got == 0) return content;
    content.append(piece, static_cast<size_t>(got));
  }
}

std::span<const std::byte> AsBytes(std::string_view text) {
  return std::as_bytes(std::span<const char>(text.data(), text.size()));
}

AtomicFile::AtomicFile(const std::string& path)
    : path_(path),
      temporary_(fmt::format("{}{}{}", path, kTemporaryMark, ::getpid())),
      file_(CreateTemporary(temporary_, path_)) {}

AtomicFile::~AtomicFile() {
  if (!committed_) ::unlink(temporary_.c_str());
}

void AtomicFile::Append(std::span<const std::byte> data) { WriteAll(file_.get(), data, path_); }

void AtomicFile::Commit() {
  if (::fsync(file_.get()) != 0) throw FileError(path_, "cannot sync");
  // Network file systems report a full disk only here.
  if (::close(file_.Release()) != 0) throw FileError(path_, "cannot close");
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) throw FileError(path_, "cannot replace");
  committed_ = true;
  SyncFolderOf(path_);
}

bool AtomicFile::IsTemporaryName(std::string_view name) {
  const size_t mark = name.rfind(kTemporaryMark);
  if (mark == std::string_view::npos) return false;
  const std::string_view pid = name.substr(mark + kTemporaryMark.size());
  return !pid.empty() && std::all_of(pid.begin(), pid.end(), [](char c) { return c >= '0' && c <= '9'; });
}

void WriteFileAtomically(const std::string& path, std::string_view content) {
  AtomicFile file(path);
  file.Append(content);
  file.Commit();
}

}  // namespace lethe::configs
