#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

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

/// Four blocks, that of the counter and of the next ones, whose first word is larger by 1, 2, 3: for long runs of
/// words.
inline std::array<uint32_t, 16> Philox4x32Four(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  std::array<uint32_t, 16> words;
#ifdef __SSE2__
  // Two pairs of blocks, the words of a pair side by side in the low halves of 64 bits, whose high halves hold
  // anything. Compilers do not find this by themselves.
  const auto both = [](uint32_t word) { return _mm_set1_epi64x(word); };
  const __m128i multiplier0 = both(0xD2511F53), multiplier2 = both(0xCD9E8D57);
  __m128i k0 = both(key[0]), k1 = both(key[1]);
  __m128i c0[2], c1[2], c2[2], c3[2];
  for (int pair = 0; pair < 2; ++pair) {
    c0[pair] = _mm_set_epi64x(counter[0] + 2 * pair + 1, counter[0] + 2 * pair);
    c1[pair] = both(counter[1]);
    c2[pair] = both(counter[2]);
    c3[pair] = both(counter[3]);
  }
  for (int round = 0; round < 10; ++round) {
    for (int pair = 0; pair < 2; ++pair) {
      const __m128i a = _mm_mul_epu32(c0[pair], multiplier0);
      const __m128i b = _mm_mul_epu32(c2[pair], multiplier2);
      c0[pair] = _mm_xor_si128(_mm_xor_si128(_mm_srli_epi64(b, 32), c1[pair]), k0);
      c2[pair] = _mm_xor_si128(_mm_xor_si128(_mm_srli_epi64(a, 32), c3[pair]), k1);
      c1[pair] = b;
      c3[pair] = a;
    }
    k0 = _mm_add_epi32(k0, both(0x9E3779B9));
    k1 = _mm_add_epi32(k1, both(0xBB67AE85));
  }
  const auto blocks = reinterpret_cast<__m128i*>(words.data());
  for (int pair = 0; pair < 2; ++pair) {
    const __m128i low =
        _mm_unpacklo_epi64(_mm_unpacklo_epi32(c0[pair], c1[pair]), _mm_unpacklo_epi32(c2[pair], c3[pair]));
    const __m128i high =
        _mm_unpacklo_epi64(_mm_unpackhi_epi32(c0[pair], c1[pair]), _mm_unpackhi_epi32(c2[pair], c3[pair]));
    _mm_storeu_si128(blocks + 2 * pair, low);
    _mm_storeu_si128(blocks + 2 * pair + 1, high);
  }
#else
  for (int block = 0; block < 4; ++block, ++counter[0]) {
    std::ranges::copy(Philox4x32(counter, key), words.begin() + 4 * block);
  }
#endif
  return words;
}

}  // namespace lethe::envs
