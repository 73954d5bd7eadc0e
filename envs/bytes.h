#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace lethe::envs {

/// Values without padding, so that equal values have equal bytes. Floats are let in: no NaN is ever stored.
template <class T>
concept PlainBytes = std::is_trivially_copyable_v<T> &&
    (std::has_unique_object_representations_v<T> || std::is_floating_point_v<T>);

/// A hash of bytes that finds damage, not intent: FNV-1a over words of 8 bytes, the rest one by one.
inline uint64_t Checksum(std::span<const std::byte> bytes) {
  uint64_t hash = 14695981039346656037u;
  const auto mix = [&](uint64_t word) {
    hash = (hash ^ word) * 1099511628211u;
    hash ^= hash >> 32;
  };
  size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, sizeof word);
    mix(word);
  }
  for (; at < bytes.size(); ++at) mix(std::to_integer<uint64_t>(bytes[at]));
  return hash;
}

/// Collects values as bytes in the machine's own order.
class ByteWriter {
 public:
  /// Count, then the items.
  template <PlainBytes T>
  void Write(const std::vector<T>& items) {
    const uint64_t count = items.size();
    Append(&count, sizeof count);
    Append(items.data(), count * sizeof(T));
  }
  void Write(const std::string& text) { Write(std::vector<char>(text.begin(), text.end())); }

  /// Of all bytes so far; the last thing to write.
  void WriteChecksum() {
    const uint64_t checksum = Checksum(bytes_);
    Append(&checksum, sizeof checksum);
  }

  std::vector<std::byte> Take() { return std::move(bytes_); }

 private:
  void Append(const void* data, size_t size) {
    const auto* first = static_cast<const std::byte*>(data);
    bytes_.insert(bytes_.end(), first, first + size);
  }

  std::vector<std::byte> bytes_;
};

/// Reads the same values in the same order. Errors: std::invalid_argument if bytes are missing or left over.
class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : rest_(bytes) {}

  template <PlainBytes T>
  std::vector<T> Read(uint64_t expected_count) {
    const uint64_t count = ReadCount(sizeof(T));
    if (count != expected_count) ThrowDamaged();
    std::vector<T> items(count);
    Extract(items.data(), count * sizeof(T));
    return items;
  }
  std::string ReadText() {
    std::string text(ReadCount(1), '\0');
    Extract(text.data(), text.size());
    return text;
  }

  /// The first thing to do where the writer wrote a checksum at the end.
  void VerifyChecksum() {
    uint64_t expected = 0;
    if (rest_.size() < sizeof expected) ThrowDamaged();
    const auto content = rest_.first(rest_.size() - sizeof expected);
    std::memcpy(&expected, content.data() + content.size(), sizeof expected);
    if (Checksum(content) != expected) ThrowDamaged();
    rest_ = content;
  }

  bool at_end() const { return rest_.empty(); }
  void ExpectEnd() const {
    if (!at_end()) ThrowDamaged();
  }

 private:
  [[noreturn]] static void ThrowDamaged() {
    throw std::invalid_argument("saved environments are damaged or cut short");
  }

  uint64_t ReadCount(size_t item_size) {
    uint64_t count = 0;
    Extract(&count, sizeof count);
    if (count > rest_.size() / item_size) ThrowDamaged();
    return count;
  }

  void Extract(void* to, size_t size) {
    if (size > rest_.size()) ThrowDamaged();
    if (size > 0) std::memcpy(to, rest_.data(), size);
    rest_ = rest_.subspan(size);
  }

  std::span<const std::byte> rest_;
};

}  // namespace lethe::envs
