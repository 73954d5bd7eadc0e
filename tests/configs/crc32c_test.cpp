#include "configs/crc32c.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "configs/atomic_file.h"

namespace lethe::configs {
namespace {

uint32_t Checksum(const std::vector<uint8_t>& bytes) { return Crc32c(std::as_bytes(std::span(bytes))); }

uint32_t BitByBit(std::span<const std::byte> data) {
  uint32_t crc = 0xffffffffu;
  for (const std::byte byte : data) {
    crc ^= static_cast<uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? 0x82f63b78u : 0);
  }
  return ~crc;
}

TEST(Crc32c, GivesTheKnownAnswersOfRfc3720) {
  std::vector<uint8_t> rising(32);
  std::iota(rising.begin(), rising.end(), uint8_t{0});
  const std::vector<uint8_t> falling(rising.rbegin(), rising.rend());
  EXPECT_EQ(Checksum(std::vector<uint8_t>(32, 0x00)), 0x8a9136aau);
  EXPECT_EQ(Checksum(std::vector<uint8_t>(32, 0xff)), 0x62a8ab43u);
  EXPECT_EQ(Checksum(rising), 0x46dd794eu);
  EXPECT_EQ(Checksum(falling), 0x113fdb5cu);
  EXPECT_EQ(Crc32c(AsBytes("123456789")), 0xe3069283u);
  EXPECT_EQ(Crc32c({}), 0u);
}

TEST(Crc32c, AgreesWithTheDefinitionForEveryLengthAndAlignment) {
  std::string text(80, '\0');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 37 + 11);
  for (size_t begin = 0; begin < 9; ++begin)
    for (size_t size = 0; begin + size <= text.size(); ++size) {
      const auto part = AsBytes(text).subspan(begin, size);
      ASSERT_EQ(Crc32c(part), BitByBit(part)) << begin << " " << size;
    }
}

TEST(Crc32c, ContinuesAcrossPieces) {
  const std::string text = "how long a step is worth remembering";
  for (size_t cut = 0; cut <= text.size(); ++cut)
    ASSERT_EQ(Crc32c(AsBytes(text).subspan(cut), Crc32c(AsBytes(text).first(cut))), Crc32c(AsBytes(text))) << cut;
}

TEST(Crc32c, MaskIsTheOneOfTfRecord) {
  // A TFRecord's length field is masked with its checksum: 8 zero bytes have the CRC 8c28b28a.
  EXPECT_EQ(Checksum(std::vector<uint8_t>(8, 0)), 0x8c28b28au);
  EXPECT_EQ(MaskedCrc32c(0), 0xa282ead8u);
  EXPECT_EQ(MaskedCrc32c(0x00008001u), 0xa282ead8u + 0x00020001u);
}

}  // namespace
}  // namespace lethe::configs
