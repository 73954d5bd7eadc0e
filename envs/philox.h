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

#ifdef __SSE2__
namespace detail {

// Two blocks side by side: lane i of `words[w]` holds word w of block i in its low 32 bits, anything in its high ones.
struct PhiloxPair {
  __m128i words[4];

  void Round(__m128i key0, __m128i key1) {
    const __m128i a = _mm_mul_epu32(words[0], _mm_set1_epi64x(0xD2511F53));
    const __m128i b = _mm_mul_epu32(words[2], _mm_set1_epi64x(0xCD9E8D57));
    words[0] = _mm_xor_si128(_mm_xor_si128(_mm_srli_epi64(b, 32), words[1]), key0);
    words[1] = b;
    words[2] = _mm_xor_si128(_mm_xor_si128(_mm_srli_epi64(a, 32), words[3]), key1);
    words[3] = a;
  }

  void Store(uint32_t* blocks) const {
    const auto& [a, b, c, d] = words;
    const __m128i first = _mm_unpacklo_epi64(_mm_unpacklo_epi32(a, b), _mm_unpacklo_epi32(c, d));
    const __m128i second = _mm_unpacklo_epi64(_mm_unpackhi_epi32(a, b), _mm_unpackhi_epi32(c, d));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(blocks), first);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(blocks + 4), second);
  }
};

}  // namespace detail
#endif

/// Four blocks, that of the counter and of the next ones, whose first word is larger by 1, 2, 3: for long runs of
/// words. Compilers do not vectorise the plain form by themselves.
inline std::array<uint32_t, 16> Philox4x32Four(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  std::array<uint32_t, 16> words;
#ifdef __SSE2__
  const auto both = [](uint32_t word) { return _mm_set1_epi64x(word); };
  const __m128i next = _mm_set_epi64x(1, 0), c0 = both(counter[0]);
  const __m128i c1 = both(counter[1]), c2 = both(counter[2]), c3 = both(counter[3]);
  detail::PhiloxPair low{{_mm_add_epi32(c0, next), c1, c2, c3}};
  detail::PhiloxPair high{{_mm_add_epi32(low.words[0], both(2)), c1, c2, c3}};
  for (int round = 0; round < 10; ++round) {
    const __m128i key0 = both(key[0] + 0x9E3779B9 * round), key1 = both(key[1] + 0xBB67AE85 * round);
    low.Round(key0, key1);
    high.Round(key0, key1);
  }
  low.Store(words.data());
  high.Store(words.data() + 8);
#else
  for (int block = 0; block < 4; ++block, ++counter[0]) {
    std::ranges::copy(Philox4x32(counter, key), words.begin() + 4 * block);
  }
#endif
  return words;
}

}  // namespace lethe::envs
