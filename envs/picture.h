#pragma once

#include <cstdint>
#include <vector>

namespace lethe::envs {

/// One cell of a grid: what is there (Kind in envs/grid.h) and its colour (0: none).
struct Cell {
  uint8_t kind = 0;
  uint8_t color = 0;
  bool operator==(const Cell&) const = default;
};

/// What a viewer draws of a state: the whole grid, or the part of a long one around the agent.
/// An environment without cells leaves it empty and is shown by its observation's tokens.
struct Picture {
  int rows = 0;
  int columns = 0;
  std::vector<Cell> cells;  ///< rows * columns, row by row from the top
  int agent_row = -1;       ///< -1: no agent to draw
  int agent_column = -1;
  int first_column = 0;  ///< column of the grid that is column 0 here
  bool empty() const { return cells.empty(); }
};

}  // namespace lethe::envs
