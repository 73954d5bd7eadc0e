#include "configs/safetensors.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include <fmt/format.h>

#include "configs/atomic_file.h"
#include "configs/crc32c.h"
#include "configs/nearest.h"
#include "configs/safetensors_header.h"

namespace lethe::configs {
namespace {

constexpr size_t kLengthBytes = sizeof(uint64_t);
constexpr size_t kAlignment = 64;

size_t RoundUp(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

std::string LengthField(uint64_t header_bytes) {
  std::string field(kLengthBytes, '\0');
  std::memcpy(field.data(), &header_bytes, kLengthBytes);
  return field;
}

/// Reads one file from the beginning to the end.
class Input {
 public:
  explicit Input(const std::string& path) : path_(path), file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    struct stat info {};
    if (file_.get() < 0 || ::fstat(file_.get(), &info) != 0) throw FileError(path, "cannot open");
    if (S_ISDIR(info.st_mode)) throw SafetensorsError("is a folder");
    left_ = static_cast<uint64_t>(info.st_size);
  }

  uint64_t left() const { return left_; }

  /// The caller has checked that `bytes` are left; a file cut short in the meantime is truncated as well.
  void Read(void* to, size_t bytes) {
    auto* at = static_cast<char*>(to);
    left_ -= bytes;
    while (bytes > 0) {
      const ssize_t got = ::read(file_.get(), at, bytes);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw FileError(path_, "cannot read");
      if (got == 0) throw SafetensorsError("the file became shorter while it was read");
      at += got;
      bytes -= static_cast<size_t>(got);
    }
  }

 private:
  const std::string path_;
  FileDescriptor file_;
  uint64_t left_ = 0;
};

std::string ReadHeader(Input& input) {
  if (input.left() < kLengthBytes)
    throw SafetensorsError(fmt::format("too short for a header: {} bytes", input.left()));
  uint64_t length = 0;
  input.Read(&length, kLengthBytes);
  if (length > kMaxHeaderBytes || length > input.left())
    throw SafetensorsError(
        fmt::format("the header should have {} bytes, but {} are left in the file and {} are allowed", length,
                    input.left(), kMaxHeaderBytes));
  std::string header(length, '\0');
  input.Read(header.data(), length);
  if (!header.starts_with('{')) throw SafetensorsError("the header does not begin with {");
  return header;
}

uint32_t ChecksumOfStart(const std::string& header_with_zeros) {
  return Crc32c(AsBytes(header_with_zeros), Crc32c(AsBytes(LengthField(header_with_zeros.size()))));
}

uint32_t ChecksumOfData(const std::vector<TensorView>& tensors, uint32_t checksum) {
  for (const TensorView& tensor : tensors) checksum = Crc32c(tensor.bytes, checksum);
  return checksum;
}

void CheckChecksum(std::string header, const std::vector<TensorView>& tensors, const std::string& written) {
  const std::optional<size_t> position = ChecksumPosition(header);
  if (!position) throw SafetensorsError(fmt::format("\"{}\" is not at the start of the header", kChecksumKey));
  header.replace(*position, kChecksumDigits, kChecksumDigits, '0');
  const std::string found = fmt::format("{:08x}", ChecksumOfData(tensors, ChecksumOfStart(header)));
  if (found != written)
    throw SafetensorsError(fmt::format("the checksum is {}, but {} was written: the file is damaged", found, written));
}

/// Prefixes errors about the content with the path.
template <typename Function>
auto WithPath(const std::string& path, Function function) {
  try {
    return function();
  } catch (const SafetensorsError& error) {
    throw SafetensorsError(fmt::format("{}: {}", path, error.what()));
  }
}

}  // namespace

void WriteSafetensors(const std::string& path, const std::vector<TensorView>& tensors,
                      const std::map<std::string, std::string>& metadata) {
  std::string header = FormatSafetensorsHeader(tensors, metadata);
  const uint32_t checksum = ChecksumOfData(tensors, ChecksumOfStart(header));
  header.replace(ChecksumPosition(header).value(), kChecksumDigits, fmt::format("{:08x}", checksum));
  AtomicFile file(path);
  file.Append(LengthField(header.size()));
  file.Append(header);
  for (const TensorView& tensor : tensors) file.Append(tensor.bytes);
  file.Commit();
}

void SafetensorsFile::FreeAligned::operator()(std::byte* data) const {
  ::operator delete[](data, std::align_val_t(kAlignment));
}

SafetensorsFile::SafetensorsFile(const std::string& path, Checksum checksum) : path_(path) {
  WithPath(path, [&] {
    Input input(path);
    const std::string text = ReadHeader(input);
    SafetensorsHeader header = ParseSafetensorsHeader(text, input.left());
    metadata_ = std::move(header.metadata);

    size_t bytes = 0;
    for (const auto& entry : header.entries) bytes += RoundUp(entry.end - entry.begin);
    data_.reset(new (std::align_val_t(kAlignment)) std::byte[bytes]);
    std::byte* at = data_.get();
    for (auto& entry : header.entries) {
      const size_t size = entry.end - entry.begin;
      input.Read(at, size);
      entry.view.bytes = {at, size};
      at += RoundUp(size);
      by_name_[entry.view.name] = tensors_.size();
      tensors_.push_back(std::move(entry.view));
    }

    const auto written = metadata_.find(std::string(kChecksumKey));
    if (written != metadata_.end())
      CheckChecksum(text, tensors_, written->second);
    else if (checksum == Checksum::kRequired)
      throw SafetensorsError("has no checksum");
    metadata_.erase(std::string(kChecksumKey));
  });
}

const TensorView& SafetensorsFile::Find(const std::string& name) const {
  const auto found = by_name_.find(name);
  if (found != by_name_.end()) return tensors_[found->second];
  std::vector<std::string> names;
  for (const TensorView& tensor : tensors_) names.push_back(tensor.name);
  throw SafetensorsError(fmt::format("{}: no tensor \"{}\"{}", path_, name, DidYouMean(name, names)));
}

}  // namespace lethe::configs
