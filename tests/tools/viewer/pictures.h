#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <random>
#include <string>
#include <vector>

namespace lethe::tests {

using Picture = std::vector<uint32_t>;  // 0xAARRGGBB

/// Random pixels of `colors` random colours.
inline Picture Noise(int width, int height, uint32_t colors, int seed) {
  std::mt19937 random(static_cast<uint32_t>(seed));
  Picture picture(static_cast<size_t>(width) * static_cast<size_t>(height));
  for (uint32_t& pixel : picture) pixel = 0xFF000000 | (random() % colors * 2654435761u & 0xFFFFFF);
  return picture;
}

/// Of the exception that it throws; "" if it throws none.
inline std::string MessageOf(const std::function<void()>& body) {
  try {
    body();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

}  // namespace lethe::tests
