#pragma once

#include <cstdint>

namespace lethe::agents {

/// What an update's dropout and the like is drawn from: a bijective mix (splitmix64), odd and so never 0.
inline uint64_t NoiseSeed(uint64_t seed, uint64_t update) {
  uint64_t x = seed * 0x9e3779b97f4a7c15u + update + 1;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return (x ^ (x >> 31)) | 1;
}

}  // namespace lethe::agents
