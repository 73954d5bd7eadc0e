#include "configs/metrics.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>

#include <fmt/format.h>

namespace lethe::configs {
namespace {

using Json = nlohmann::ordered_json;

FileDescriptor OpenForAppending(const std::string& path) {
  FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  if (file.get() < 0) throw FileError(path, "cannot open for appending");
  return file;
}

int64_t SizeOf(int fd, const std::string& path) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) throw FileError(path, "cannot read the size");
  return info.st_size;
}

/// `line` without its line feed.
bool BelongsTo(std::string_view line, int64_t last, const std::string& key) {
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return false;
  const auto steps = json.find(key);
  return steps == json.end() || !steps->is_number() || steps->get<double>() <= static_cast<double>(last);
}

std::string LinesUpTo(std::string_view content, int64_t last, const std::string& key) {
  std::string kept;
  for (size_t begin = 0; begin < content.size();) {
    const size_t end = content.find('\n', begin);
    if (end == std::string_view::npos) break;  // torn
    if (BelongsTo(content.substr(begin, end - begin), last, key)) kept.append(content, begin, end + 1 - begin);
    begin = end + 1;
  }
  return kept;
}

}  // namespace

MetricsWriter::MetricsWriter(const std::string& path) : path_(path), file_(OpenForAppending(path)) {}

void MetricsWriter::Write(const Json& line) {
  if (!line.is_object())
    throw std::invalid_argument(fmt::format("{}: a line must be a JSON object, not {}", path_, line.type_name()));
  const std::string text = line.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
  const int64_t size_before = SizeOf(file_.get(), path_);
  try {
    WriteAll(file_.get(), AsBytes(text), path_);
  } catch (...) {
    // A line that cannot be taken back is dropped as torn by TruncateAfter.
    [[maybe_unused]] const int ignored = ::ftruncate(file_.get(), size_before);
    throw;
  }
}

void MetricsWriter::TruncateAfter(int64_t last, const std::string& key) {
  const std::string content = ReadWholeFile(path_);
  const std::string kept = LinesUpTo(content, last, key);
  if (kept.size() == content.size()) return;
  WriteFileAtomically(path_, kept);
  file_ = OpenForAppending(path_);  // the old descriptor belongs to the replaced file
}

}  // namespace lethe::configs
