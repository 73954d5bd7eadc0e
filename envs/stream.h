#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <utility>

#include "envs/philox.h"
#include "envs/spec.h"

namespace lethe::envs {

/// The random numbers of one episode: a pure function of (seed, purpose, global environment index, episode).
/// Only IEEE additions, multiplications, divisions and comparisons, so every machine draws the same levels;
/// `std::` distributions and libm differ between libraries.
class Stream {
 public:
  Stream(uint64_t seed, Purpose purpose, uint32_t index, uint32_t episode)
      : key_{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)},
        counter_{0, episode, index, static_cast<uint32_t>(purpose)} {}

  /// Uniform over all 32-bit words.
  uint32_t Next() {
    if (used_ == 4) {
      block_ = Philox4x32(counter_, key_);
      ++counter_[0];
      used_ = 0;
    }
    return block_[used_++];
  }

  /// Fills `words` with what as many calls of Next would give, in less time.
  void Fill(std::span<uint32_t> words) {
    size_t done = 0;
    while (done < words.size() && used_ < 4) words[done++] = block_[used_++];
    for (; done + 16 <= words.size(); done += 16, counter_[0] += 4) {
      const auto drawn = Philox4x32Four(counter_, key_);
      std::copy(drawn.begin(), drawn.end(), words.data() + done);
    }
    while (done < words.size()) words[done++] = Next();
  }

  /// Uniform multiple of 2^-53 in [0, 1).
  double Uniform() {
    const uint64_t high = Next();
    return static_cast<double>((high << 32 | Next()) >> 11) * 0x1p-53;
  }

  /// Uniform integer in 0 .. bound - 1, every value exactly alike; bound > 0.
  /// Source: Lemire, "Fast random integer generation in an interval", 2019.
  uint32_t Below(uint32_t bound) {
    uint64_t product = uint64_t{Next()} * bound;
    if (static_cast<uint32_t>(product) < bound) [[unlikely]] {  // only then can it be below the remainder of a division
      const uint32_t first_fair = (0u - bound) % bound;         // 2^32 mod bound values would come once too often
      while (static_cast<uint32_t>(product) < first_fair) product = uint64_t{Next()} * bound;
    }
    return static_cast<uint32_t>(product >> 32);
  }

  /// Uniform integer in lo .. hi; hi - lo < 2^32 - 1.
  int64_t Between(int64_t lo, int64_t hi) { return lo + Below(static_cast<uint32_t>(hi - lo + 1)); }

  /// floor(exp(u)) with u uniform in [ln lo, ln(hi + 1)), 0 < lo <= hi, without logarithm: every doubling of lo
  /// is equally likely, and within one the density 1/x is drawn by rejection.
  int64_t LogUniformBetween(int64_t lo, int64_t hi) {
    const double end = static_cast<double>(hi + 1);
    uint32_t doublings = 1;
    while (static_cast<double>(lo) * static_cast<double>(int64_t{1} << doublings) < end) ++doublings;
    const double width = std::min(1.0, end / static_cast<double>(lo) - 1);
    for (;;) {
      const double start = static_cast<double>(lo) * static_cast<double>(int64_t{1} << Below(doublings));
      const double factor = 1 + width * Uniform();
      if (Uniform() * factor < 1 && start * factor < end) return static_cast<int64_t>(start * factor);
    }
  }

  /// Puts the items in uniformly random order (Fisher-Yates).
  template <class T>
  void Shuffle(std::span<T> items) {
    for (size_t left = items.size(); left > 1; --left) {
      std::swap(items[left - 1], items[Below(static_cast<uint32_t>(left))]);
    }
  }

 private:
  const std::array<uint32_t, 2> key_;
  std::array<uint32_t, 4> counter_;  // block, episode, index, purpose
  std::array<uint32_t, 4> block_{};
  int used_ = 4;
};

}  // namespace lethe::envs
