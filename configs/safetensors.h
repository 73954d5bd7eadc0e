#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::configs {

/// Element types of the format. Lethe computes with the first group; the second is carried through unchanged.
enum class Dtype { kF32, kF64, kI64, kI32, kU8, kBool, kF16, kBF16, kI16, kI8, kU64, kU32, kU16, kF8E4M3, kF8E5M2 };

/// Name in the file ("F32") and bytes per element.
std::string_view DtypeName(Dtype dtype);
size_t DtypeSize(Dtype dtype);

/// A named array somewhere in memory: row-major, little-endian. It owns nothing; an empty shape is one number.
struct TensorView {
  std::string name;
  Dtype dtype = Dtype::kF32;
  std::vector<int64_t> shape;
  std::span<const std::byte> bytes;
};

/// The file exists and can be read, but is not a whole, valid safetensors file, or lacks a tensor that was asked for.
/// The message begins with the path.
class SafetensorsError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Key of the metadata that holds the CRC-32C of the whole file, 8 hexadecimal digits that count as "00000000"
/// themselves. It is the first thing in the header of every file written here.
inline constexpr std::string_view kChecksumKey = "lethe.crc32c";

/// Writes a file that any safetensors reader understands, tensors in the given order. Atomic and durable as
/// AtomicFile says: whatever goes wrong, the old file stays and no temporary is left.
/// Errors: std::system_error with path and reason (a full disk: "No space left on device"); std::invalid_argument with
/// the tensor's name when bytes and shape disagree, a name or key comes twice, is reserved, or is not UTF-8.
void WriteSafetensors(const std::string& path, const std::vector<TensorView>& tensors,
                      const std::map<std::string, std::string>& metadata);

/// What to make of a file without a checksum, such as one written by Python.
enum class Checksum { kWhenPresent, kRequired };

/// A safetensors file read into memory, checked completely before anything is handed out: length and syntax of the
/// header, names, types, shapes against bytes, no overlap, no gap, no missing or additional byte, checksum.
/// The data of every tensor begin at a multiple of 64 bytes and live as long as this object (moving keeps them).
/// Errors: SafetensorsError; std::system_error when the file cannot be opened or read.
/// Threads: immutable once constructed.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::string& path, Checksum checksum = Checksum::kWhenPresent);

  bool Has(const std::string& name) const { return by_name_.contains(name); }
  /// Errors: SafetensorsError naming the nearest tensor.
  const TensorView& Find(const std::string& name) const;
  /// In the order of the data.
  const std::vector<TensorView>& tensors() const { return tensors_; }
  /// Without the checksum.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::string& path() const { return path_; }

 private:
  struct FreeAligned {
    void operator()(std::byte* data) const;
  };

  std::string path_;
  std::unique_ptr<std::byte[], FreeAligned> data_;
  std::vector<TensorView> tensors_;
  std::map<std::string, size_t> by_name_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace lethe::configs
