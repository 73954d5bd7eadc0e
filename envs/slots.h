#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "envs/json.h"
#include "envs/stream.h"

namespace lethe::envs {

// The far end of a corridor one cell wide: things of the colours 1 .. C, one of each, in pairs above and below its last
// cells. Rows 0 and 2 are wall and row 1 has floor in columns 1 .. length; slot s of 0 .. C - 1 lies in column
// length - s / 2 (s / 2 rounded down), row 0 if s is even, row 2 if s is odd.

/// The colour in each slot; those from C on are 0.
using Slots = std::array<uint8_t, 8>;

inline int RowOfSlot(int slot) { return slot % 2 == 0 ? 0 : 2; }
inline int ColumnOfSlot(int slot, int length) { return length - slot / 2; }

/// The slot at a cell, or -1.
inline int SlotAt(int length, int colors, int row, int column) {
  const int slot = 2 * (length - column) + (row == 2);
  const bool is_slot = (row == 0 || row == 2) && slot >= 0 && slot < colors && column <= length;
  return is_slot ? slot : -1;
}

/// A uniform permutation of 1 .. colors.
inline void DrawSlots(Slots& slots, int colors, Stream& random) {
  for (int slot = 0; slot < colors; ++slot) slots[slot] = static_cast<uint8_t>(slot + 1);
  random.Shuffle(std::span(slots).first(colors));
}

/// The slots as they stand in a level record.
inline Json RecordSlots(const Slots& slots, int colors) {
  return std::vector<int>(slots.begin(), slots.begin() + colors);
}

/// Reads the member `name` of a record. Errors: std::invalid_argument if it is no permutation of 1 .. colors.
inline void LoadSlots(Slots& slots, int colors, const Json& record, const char* name) {
  const Json& list = Field(record, name);
  std::array<bool, 9> seen{};
  bool is_permutation = list.is_array() && list.size() == static_cast<size_t>(colors);
  for (int slot = 0; is_permutation && slot < colors; ++slot) {
    const int64_t color = IntegerIn(list[slot], fmt::format("{}[{}]", name, slot), 1, colors);
    is_permutation = !std::exchange(seen[color], true);
    slots[slot] = static_cast<uint8_t>(color);
  }
  if (is_permutation) return;
  throw std::invalid_argument(fmt::format("{} is {}; allowed: a permutation of 1..{}", name, list.dump(), colors));
}

}  // namespace lethe::envs
