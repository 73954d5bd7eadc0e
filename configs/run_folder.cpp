#include "configs/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "configs/nearest.h"

namespace lethe::configs {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kCheckpointPrefix = "step_";
constexpr std::string_view kCheckpointSuffix = ".safetensors";

template <typename... Args>
[[noreturn]] void Refuse(fmt::format_string<Args...> text, Args&&... args) {
  throw std::runtime_error(fmt::format(text, std::forward<Args>(args)...));
}

bool IsRun(const fs::path& dir) { return fs::is_regular_file(dir / "config.yaml"); }

/// step_000001000.safetensors -> 1000; nothing for any other name.
std::optional<int64_t> StepsOf(const std::string& name) {
  if (!name.starts_with(kCheckpointPrefix) || !name.ends_with(kCheckpointSuffix)) return std::nullopt;
  const char* end = name.data() + name.size() - kCheckpointSuffix.size();
  int64_t steps = 0;
  const auto result = std::from_chars(name.data() + kCheckpointPrefix.size(), end, steps);
  if (result.ec != std::errc() || result.ptr != end || steps < 0) return std::nullopt;
  return steps;
}

std::vector<std::string> RunsIn(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code no_such_folder;
  for (const auto& entry : fs::directory_iterator(folder, no_such_folder))
    if (IsRun(entry.path())) names.push_back(entry.path().filename().string());
  return names;
}

/// Wrong content or a bad disk. Anything else (no permission, too many open files) says nothing about the file, and
/// going back to an older checkpoint for it would lose work.
bool IsDamage(const std::runtime_error& error) {
  const auto* system = dynamic_cast<const std::system_error*>(&error);
  return system == nullptr || system->code() == std::errc::io_error;
}

std::string HostName() {
  char name[256] = "";
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "unknown";
}

/// Without a slash at the end, which would hide the name from filename() and parent_path().
std::string Trimmed(std::string dir) {
  if (dir.empty()) throw std::invalid_argument("the run folder has no name");
  while (dir.size() > 1 && dir.back() == '/') dir.pop_back();
  return dir;
}

}  // namespace

RunFolder::RunFolder(const std::string& dir) : dir_(Trimmed(dir)) {}

RunFolder RunFolder::Create(const std::string& dir) {
  RunFolder run(dir);
  fs::create_directories(run.In("checkpoints"));
  fs::create_directories(run.ReportDir());
  run.Lock();
  if (IsRun(run.dir_) || fs::exists(run.MetricsPath()) || !run.Checkpoints().empty())
    Refuse("{}: already holds a run; continue it with --resume, or choose another --run-dir", run.dir_);
  return run;
}

RunFolder RunFolder::Open(const std::string& dir, Access access) {
  RunFolder run(dir);
  if (!IsRun(run.dir_)) {
    const fs::path path(run.dir_);
    const fs::path parent = path.has_parent_path() ? path.parent_path() : ".";
    Refuse("{}: {}{}", run.dir_, fs::exists(path) ? "not a run (it has no config.yaml)" : "no such run",
           DidYouMean(path.filename().string(), RunsIn(parent)));
  }
  if (access == Access::kRead) return run;
  run.Lock();
  fs::create_directories(run.In("checkpoints"));
  fs::create_directories(run.ReportDir());
  run.RemoveTemporaries();
  return run;
}

std::string RunFolder::In(std::string_view name) const { return fmt::format("{}/{}", dir_, name); }

std::string RunFolder::CheckpointPath(int64_t env_steps) const {
  return In(fmt::format("checkpoints/{}{:012d}{}", kCheckpointPrefix, env_steps, kCheckpointSuffix));
}

std::vector<std::string> RunFolder::Checkpoints() const {
  std::vector<std::pair<int64_t, std::string>> found;
  std::error_code no_such_folder;
  for (const auto& entry : fs::directory_iterator(In("checkpoints"), no_such_folder))
    if (const auto steps = StepsOf(entry.path().filename().string())) found.emplace_back(*steps, entry.path().string());
  std::sort(found.rbegin(), found.rend());
  std::vector<std::string> paths;
  for (auto& [steps, path] : found) paths.push_back(std::move(path));
  return paths;
}

SafetensorsFile RunFolder::NewestGoodCheckpoint(const std::function<void(const std::string&)>& warn) const {
  const std::vector<std::string> paths = Checkpoints();
  for (const std::string& path : paths) {
    try {
      return SafetensorsFile(path, Checksum::kRequired);
    } catch (const std::runtime_error& error) {
      // The writer has removed it since: what is newer has come instead.
      if (!fs::exists(fs::symlink_status(path))) return NewestGoodCheckpoint(warn);
      if (!IsDamage(error)) throw;
      warn(fmt::format("{}; skipping this checkpoint", error.what()));
      std::error_code stays_in_place;
      if (lock_.get() >= 0) fs::rename(path, path + ".damaged", stays_in_place);
    }
  }
  if (paths.empty()) Refuse("{}: has no checkpoint; start again with another --run-dir", dir_);
  Refuse("{}: none of its {} checkpoints can be read; start again with another --run-dir", dir_, paths.size());
}

void RunFolder::KeepNewest(int count) const {
  if (count < 1) throw std::invalid_argument(fmt::format("checkpoints to keep: {}, must be at least 1", count));
  const std::vector<std::string> paths = Checkpoints();
  for (size_t i = static_cast<size_t>(count); i < paths.size(); ++i) fs::remove(paths[i]);
}

void RunFolder::Lock() {
  const std::string path = In("lock");
  FileDescriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (file.get() < 0) throw FileError(path, "cannot open");
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) throw FileError(path, "cannot lock");
    Refuse("{}: is being written by another process ({}); stop it first, or choose another --run-dir", dir_,
           ReadWholeFile(path));
  }
  if (::ftruncate(file.get(), 0) != 0) throw FileError(path, "cannot write");
  WriteAll(file.get(), AsBytes(fmt::format("pid {} on {}", ::getpid(), HostName())), path);
  lock_ = std::move(file);
}

void RunFolder::RemoveTemporaries() const {
  for (const std::string& folder : {dir_, In("checkpoints")})
    for (const auto& entry : fs::directory_iterator(folder))
      if (AtomicFile::IsTemporaryName(entry.path().filename().string())) fs::remove(entry.path());
}

}  // namespace lethe::configs
