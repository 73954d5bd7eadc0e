#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace lethe::envs {

/// Philox4x32-10: four random words from a counter and a key, by arithmetic alone. No state, so any block can be
/// computed at any time on any machine.
/// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011; constants and
/// known answers from Random123.
constexpr std::array<uint32_t, 4> Philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53} * counter[0];
    const uint64_t b = uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(a)};
    key = {key[0] + 0x9E3779B9, key[1] + 0xBB67AE85};
  }
  return counter;
}

/// So many blocks are computed side by side, which lets the compiler use vector registers.
inline constexpr uint32_t kPhiloxLanes = 8;

/// The blocks of the counters whose first word is counter[0], counter[0] + 1, ...
inline void PhiloxBlocks(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key,
                         std::span<uint32_t, 4 * kPhiloxLanes> words) {
  uint32_t c[4][kPhiloxLanes];
  for (uint32_t lane = 0; lane < kPhiloxLanes; ++lane) {
    c[0][lane] = counter[0] + lane;
    for (int i = 1; i < 4; ++i) c[i][lane] = counter[i];
  }
  for (int round = 0; round < 10; ++round) {
    for (uint32_t lane = 0; lane < kPhiloxLanes; ++lane) {
      const uint64_t a = uint64_t{0xD2511F53} * c[0][lane];
      const uint64_t b = uint64_t{0xCD9E8D57} * c[2][lane];
      c[0][lane] = static_cast<uint32_t>(b >> 32) ^ c[1][lane] ^ key[0];
      c[1][lane] = static_cast<uint32_t>(b);
      c[2][lane] = static_cast<uint32_t>(a >> 32) ^ c[3][lane] ^ key[1];
      c[3][lane] = static_cast<uint32_t>(a);
    }
    key = {key[0] + 0x9E3779B9, key[1] + 0xBB67AE85};
  }
  for (uint32_t lane = 0; lane < kPhiloxLanes; ++lane) {
    for (int i = 0; i < 4; ++i) words[4 * lane + i] = c[i][lane];
  }
}

}  // namespace lethe::envs
