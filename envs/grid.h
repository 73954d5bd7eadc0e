#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "configs/range.h"
#include "envs/params.h"
#include "envs/picture.h"
#include "envs/spec.h"

namespace lethe::envs {

// What all gridworlds share. Cell (row, column): row 0 on top, column 0 on the left. The agent has a cell and no
// facing; it sees the `view` x `view` square around it, two tokens (kind, colour) per cell, row by row.

enum Kind : uint8_t {
  kOutside,
  kFloor,
  kWall,
  kDoor,
  kSignal,  // Corridor
  kPad,     // Instruction, like all that follow
  kChair,
  kTable,
  kLamp,
  kBook,
  kCup,
  kBall,
  kBox,
  kPlant,
  kKey,  // KeyDoor alone, whose vocabulary of kinds is one larger
};
inline constexpr int kNumKinds = 14;

/// 0 none, then red, blue, green, yellow, purple, cyan, orange, white; outside, floor and wall have none.
inline constexpr int kNumColors = 9;
inline constexpr char kColorLetters[] = "?RBGYPCOW";

enum Move : uint8_t { kUp, kRight, kDown, kLeft };
inline constexpr int kRowStep[] = {-1, 0, 1, 0};
inline constexpr int kColumnStep[] = {0, 1, 0, -1};

/// Parameters of every gridworld; the parameter struct of a family derives from it.
struct GridParams : TaskParams {
  int64_t view = 3;
  double wrong_reward = 0;

  template <class V>
  void Visit(V& v) {
    v("view", view, configs::Range{3, 15, 2}, "side of the observed square, odd");
    v("wrong_reward", wrong_reward, configs::Range{-1, 0}, "reward of a wrong door or a failed attempt");
    TaskParams::Visit(v);
  }
};

/// Spec of a gridworld with the four moves and the cells of the view as tokens; the family adds the rest.
inline Spec GridSpec(const std::string& family, int version, int64_t view) {
  Spec spec;
  spec.family = family;
  spec.version = version;
  spec.num_actions = 4;
  spec.action_names = {"up", "right", "down", "left"};
  spec.cells = static_cast<int>(view * view);
  for (int64_t i = 0; i < spec.cells; ++i) {
    const auto cell = fmt::format("of the cell {:+} rows, {:+} columns away", i / view - view / 2, i % view - view / 2);
    spec.tokens.push_back({"kind " + cell, kNumKinds});
    spec.tokens.push_back({"colour " + cell, kNumColors});
  }
  return spec;
}

inline char ColorLetter(uint8_t color) { return color < kNumColors ? kColorLetters[color] : '?'; }

/// A picture as text, as many characters a cell as `text_of(cell, is_agent)` gives.
template <class TextOf>
std::string TextOfCells(const Picture& picture, TextOf&& text_of) {
  std::string text;
  for (int row = 0; row < picture.rows; ++row) {
    for (int column = 0; column < picture.columns; ++column) {
      const Cell cell = picture.cells[static_cast<size_t>(row) * picture.columns + column];
      text += text_of(cell, row == picture.agent_row && column == picture.agent_column);
    }
    text += '\n';
  }
  return text;
}

/// One character a cell: @ the agent, # wall, . floor, a blank outside; of other things the letter of their colour,
/// capital for doors and small for all that can be taken or read.
inline std::string GridText(const Picture& picture) {
  return TextOfCells(picture, [](Cell cell, bool is_agent) {
    if (is_agent) return '@';
    if (cell.kind <= kWall) return " .#"[cell.kind];
    const char color = ColorLetter(cell.color);
    return cell.kind == kDoor || color == '?' ? color : static_cast<char>(color - 'A' + 'a');
  });
}

/// Two characters a cell, kind and colour, for grids with several kinds of things: h chair, t table, l lamp, u book,
/// c cup, a ball, x box, p plant, k key, _ pad, d door, s signal; the agent replaces the first.
inline std::string GridPairsText(const Picture& picture) {
  return TextOfCells(picture, [](Cell cell, bool is_agent) {
    constexpr std::string_view kKindLetters = " .#ds_htlucaxpk";
    const char kind = cell.kind < kKindLetters.size() ? kKindLetters[cell.kind] : '?';
    const char color = cell.kind == kWall ? '#' : cell.color == 0 ? ' ' : ColorLetter(cell.color);
    return std::string{is_agent ? '@' : kind, color};
  });
}

/// The picture of a grid with the agent at (row, column); one of more than 82 columns is cut to the 40 around it.
template <class CellAt>
Picture DrawPicture(int rows, int columns, int row, int column, CellAt&& cell_at) {
  const int width = columns > 82 ? 40 : columns;
  const int first = std::clamp(column - width / 2, 0, columns - width);
  Picture picture{rows, width, {}, row, column - first, first};
  for (int r = 0; r < rows; ++r) {
    for (int c = first; c < first + width; ++c) picture.cells.push_back(cell_at(r, c));
  }
  return picture;
}

/// Writes the view around (row, column); cell_at(row, column) gives the Cell there, kOutside beyond the grid.
/// Returns the place after the last token.
template <class CellAt>
uint8_t* DrawView(int view, int row, int column, CellAt&& cell_at, uint8_t* tokens) {
  const int half = view / 2;
  for (int r = row - half; r <= row + half; ++r) {
    for (int c = column - half; c <= column + half; ++c) {
      const Cell cell = cell_at(r, c);
      *tokens++ = cell.kind;
      *tokens++ = cell.color;
    }
  }
  return tokens;
}

/// The kind of the cell so many rows and columns away from the agent, in its observation.
inline uint8_t KindInView(const uint8_t* tokens, int view, int rows, int columns) {
  const std::ptrdiff_t cell = (view / 2 + rows) * view + view / 2 + columns;
  return tokens[2 * cell];
}

/// Copies the tokens of a view out of rows of `stride` cells, the first of them at `corner`: faster than DrawView where
/// an environment keeps its cells, with as many margin cells as are seen beyond the grid. Returns the place after the
/// last token.
inline uint8_t* CopyView(const Cell* corner, std::ptrdiff_t stride, int view, uint8_t* tokens) {
  if (view == 3) {  // copies of known size need no call
    std::memcpy(tokens, corner, 6);
    std::memcpy(tokens + 6, corner + stride, 6);
    std::memcpy(tokens + 12, corner + 2 * stride, 6);
    return tokens + 18;
  }
  const size_t row_bytes = static_cast<size_t>(view) * sizeof(Cell);
  for (int row = 0; row < view; ++row, tokens += row_bytes) std::memcpy(tokens, corner + row * stride, row_bytes);
  return tokens;
}

}  // namespace lethe::envs
