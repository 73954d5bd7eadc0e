#include "configs/crc32c.h"

#include <array>
#include <bit>
#include <cstring>

namespace lethe::configs {
namespace {

static_assert(std::endian::native == std::endian::little, "the eight-byte step reads little-endian words");

using Tables = std::array<std::array<uint32_t, 256>, 8>;

/// tables[k][b] is what byte b contributes once k more bytes have followed it.
constexpr Tables MakeTables() {
  constexpr uint32_t kPolynomial = 0x82f63b78u;  // Castagnoli, bits reversed
  Tables tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? kPolynomial : 0);
    tables[0][byte] = crc;
  }
  for (size_t k = 1; k < 8; ++k)
    for (size_t byte = 0; byte < 256; ++byte)
      tables[k][byte] = (tables[k - 1][byte] >> 8) ^ tables[0][tables[k - 1][byte] & 0xff];
  return tables;
}

constexpr Tables kTables = MakeTables();

uint32_t EightBytes(uint32_t crc, const std::byte* at) {
  uint64_t word = 0;
  std::memcpy(&word, at, 8);
  word ^= crc;
  uint32_t next = 0;
  for (size_t k = 0; k < 8; ++k) next ^= kTables[7 - k][(word >> (8 * k)) & 0xff];
  return next;
}

uint32_t OneByte(uint32_t crc, std::byte byte) {
  return (crc >> 8) ^ kTables[0][(crc ^ static_cast<uint32_t>(byte)) & 0xff];
}

}  // namespace

uint32_t Crc32c(std::span<const std::byte> data, uint32_t before) {
  uint32_t crc = ~before;
  const std::byte* at = data.data();
  const std::byte* end = at + data.size();
  for (; end - at >= 8; at += 8) crc = EightBytes(crc, at);
  for (; at != end; ++at) crc = OneByte(crc, *at);
  return ~crc;
}

}  // namespace lethe::configs
