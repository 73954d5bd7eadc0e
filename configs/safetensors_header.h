#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "configs/safetensors.h"

namespace lethe::configs {

/// The JSON part of a safetensors file; safetensors.cpp adds the bytes. Offsets count from the end of the header.
struct SafetensorsHeader {
  struct Entry {
    TensorView view;  ///< bytes still empty
    uint64_t begin = 0;
    uint64_t end = 0;
  };
  std::vector<Entry> entries;  ///< in the order of the data
  std::map<std::string, std::string> metadata;
};

/// Longest header that readers accept (the format's own limit).
inline constexpr uint64_t kMaxHeaderBytes = 100'000'000;

/// Errors: SafetensorsError without the path: what is wrong, and with which tensor.
SafetensorsHeader ParseSafetensorsHeader(std::string_view json, uint64_t data_bytes);

/// Header text with a checksum of zeros, padded with spaces so that the data begin at a multiple of 64 bytes.
/// Errors: as WriteSafetensors.
std::string FormatSafetensorsHeader(const std::vector<TensorView>& tensors,
                                    const std::map<std::string, std::string>& metadata);

/// Where the digits of the checksum stand in a header that was written by FormatSafetensorsHeader; none otherwise.
std::optional<size_t> ChecksumPosition(std::string_view header);
inline constexpr size_t kChecksumDigits = 8;

}  // namespace lethe::configs
