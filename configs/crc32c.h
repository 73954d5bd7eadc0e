#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace lethe::configs {

/// CRC-32C (Castagnoli, RFC 3720 appendix B.4) of `data`, continued from the checksum of what came before it, so that
/// Crc32c(b, Crc32c(a)) is the checksum of a followed by b.
/// The same number on every machine: tables, eight bytes at a time, no special instructions. Finds every burst of
/// damage up to 32 bits; anything else slips through once in 2^32.
/// Threads: pure.
uint32_t Crc32c(std::span<const std::byte> data, uint32_t before = 0);

/// The form TFRecord files store. Source: tensorflow/core/lib/hash/crc32c.h (`Mask`).
constexpr uint32_t MaskedCrc32c(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8u; }

}  // namespace lethe::configs
