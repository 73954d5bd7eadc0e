#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

namespace lethe::configs {

/// An error of the operating system about one file: "runs/a/config.yaml: cannot write: No space left on device".
/// `code()` keeps the reason. Reads `errno`, so call it right after the failure.
std::system_error FileError(const std::string& path, const std::string& action);

/// Closes its descriptor at the end of its life. -1 holds nothing.
class FileDescriptor {
 public:
  explicit FileDescriptor(int fd = -1) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(other.Release()) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  ~FileDescriptor() { Reset(); }

  int get() const { return fd_; }
  int Release();
  void Reset();

 private:
  int fd_;
};

/// Writes all of `data`, however often the system accepts only a part of it. `path` is for the message only.
/// Errors: std::system_error with path and reason.
void WriteAll(int fd, std::span<const std::byte> data, const std::string& path);

/// Whole content of a file. Errors: std::system_error with path and reason.
std::string ReadWholeFile(const std::string& path);

std::span<const std::byte> AsBytes(std::string_view text);

/// A file that appears whole or not at all. What is written goes to `path` + ".tmp-<pid>" in the same folder; Commit
/// syncs it, renames it over `path` and syncs the folder, so that after a crash or a power loss either the old or the
/// new content is there. Without Commit (an exception on the way) the old file stays and the temporary is removed.
/// Only a killed process leaves its temporary behind; IsTemporaryName recognises it.
/// Errors: std::system_error with path and reason. Threads: one file belongs to one thread.
class AtomicFile {
 public:
  explicit AtomicFile(const std::string& path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  void Append(std::span<const std::byte> data);
  void Append(std::string_view text) { Append(AsBytes(text)); }
  void Commit();

  static bool IsTemporaryName(std::string_view name);

 private:
  const std::string path_;
  const std::string temporary_;
  FileDescriptor file_;
  bool committed_ = false;
};

/// AtomicFile for content that is already in memory.
void WriteFileAtomically(const std::string& path, std::string_view content);

}  // namespace lethe::configs
