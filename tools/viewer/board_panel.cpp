#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "envs/grid.h"
#include "tools/viewer/colors.h"
#include "tools/viewer/panels.h"

namespace lethe::tools {
namespace {

constexpr double kSmallestCell = 20, kLargestCell = 64;
constexpr double kDim = 0.62;  // of what the agent does not see
constexpr double kCaptionHeight = 20;
constexpr int kOutcomeLines = 3;  // kept free, so that the board does not shrink when the episode ends

/// A piece of a thing's picture in shares of a cell.
struct Piece {
  enum Shape { kBox, kDisc } shape;
  double x, y, w, h;     // of a disc: centre, radius in w
  bool is_hole = false;  // in the colour of the floor
};

/// What things look like. Every piece is in the thing's colour.
const std::vector<Piece>& PiecesOf(uint8_t kind) {
  using enum Piece::Shape;
  static const std::map<uint8_t, std::vector<Piece>> pieces = {
      {envs::kDoor, {{kBox, 0.18, 0.08, 0.64, 0.84}, {kDisc, 0.68, 0.52, 0.06, 0, true}}},
      {envs::kSignal, {{kDisc, 0.5, 0.5, 0.36, 0}, {kDisc, 0.5, 0.5, 0.22, 0, true}, {kDisc, 0.5, 0.5, 0.13, 0}}},
      {envs::kPad, {{kBox, 0.08, 0.08, 0.84, 0.84}, {kBox, 0.2, 0.2, 0.6, 0.6, true}}},
      {envs::kChair, {{kBox, 0.24, 0.14, 0.12, 0.72}, {kBox, 0.24, 0.5, 0.52, 0.12}, {kBox, 0.64, 0.5, 0.12, 0.36}}},
      {envs::kTable, {{kBox, 0.12, 0.28, 0.76, 0.14}, {kBox, 0.2, 0.42, 0.11, 0.42}, {kBox, 0.69, 0.42, 0.11, 0.42}}},
      {envs::kLamp,
       {{kBox, 0.36, 0.12, 0.28, 0.12},
        {kBox, 0.29, 0.24, 0.42, 0.12},
        {kBox, 0.22, 0.36, 0.56, 0.12},
        {kBox, 0.46, 0.48, 0.08, 0.3},
        {kBox, 0.32, 0.78, 0.36, 0.09}}},
      {envs::kBook,
       {{kBox, 0.16, 0.2, 0.68, 0.6},
        {kBox, 0.47, 0.2, 0.06, 0.6, true},
        {kBox, 0.24, 0.34, 0.16, 0.06, true},
        {kBox, 0.6, 0.34, 0.16, 0.06, true}}},
      {envs::kCup,
       {{kBox, 0.2, 0.24, 0.44, 0.56}, {kBox, 0.64, 0.34, 0.18, 0.32}, {kBox, 0.64, 0.43, 0.09, 0.14, true}}},
      {envs::kBall, {{kDisc, 0.5, 0.5, 0.33, 0}}},
      {envs::kBox,
       {{kBox, 0.18, 0.18, 0.64, 0.64}, {kBox, 0.28, 0.28, 0.44, 0.44, true}, {kBox, 0.46, 0.18, 0.08, 0.64}}},
      {envs::kPlant,
       {{kDisc, 0.5, 0.32, 0.19, 0},
        {kDisc, 0.32, 0.42, 0.13, 0},
        {kDisc, 0.68, 0.42, 0.13, 0},
        {kBox, 0.47, 0.4, 0.06, 0.3},
        {kBox, 0.32, 0.66, 0.36, 0.22}}},
      {envs::kKey,
       {{kDisc, 0.3, 0.5, 0.18, 0},
        {kDisc, 0.3, 0.5, 0.08, 0, true},
        {kBox, 0.44, 0.45, 0.42, 0.1},
        {kBox, 0.68, 0.55, 0.08, 0.14},
        {kBox, 0.8, 0.55, 0.06, 0.1}}},
  };
  static const std::vector<Piece> unknown = {{kBox, 0.3, 0.3, 0.4, 0.4}};
  const auto found = pieces.find(kind);
  return found == pieces.end() ? unknown : found->second;
}

Color GroundOf(envs::Cell cell) {
  if (cell.kind == envs::kOutside) return kBackground;
  return cell.kind == envs::kWall ? Color{74, 82, 102} : Color{40, 45, 56};
}

void DrawThing(envs::Cell cell, const Box& at, Color ground, double dim, Canvas& canvas) {
  const Color own = Mix(kThingColors[cell.color < kThingColors.size() ? cell.color : 0], kBackground, dim);
  for (const Piece& piece : PiecesOf(cell.kind)) {
    const Color color = piece.is_hole ? ground : own;
    const double x = at.x + piece.x * at.w, y = at.y + piece.y * at.h;
    if (piece.shape == Piece::kDisc)
      canvas.Disc({x, y}, piece.w * at.w, color);
    else
      canvas.Fill({x, y, piece.w * at.w, piece.h * at.h}, color);
  }
}

bool IsSeen(const envs::Picture& picture, int view, int row, int column) {
  if (view == 0 || picture.agent_row < 0) return true;
  return std::max(std::abs(row - picture.agent_row), std::abs(column - picture.agent_column)) <= view / 2;
}

/// Where the picture begins so that the agent stays in a box that may be smaller: centred, but no emptier than needed.
double Scroll(double content, double room, double agent) {
  if (content <= room) return (room - content) / 2;
  return std::clamp(room / 2 - agent, room - content, 0.0);
}

/// A cell that lies beyond the field is told at its edge.
void DrawMarks(const BoardView& board, double cell, Point corner, const Box& field, Canvas& canvas) {
  const TextStyle style = {.size = 11, .bold = true, .color = kMark};
  for (const BoardView::Mark& mark : board.marks) {
    const Box at = {corner.x + mark.column * cell, corner.y + mark.row * cell, cell, cell};
    const double y = std::clamp(at.y, field.y, std::max(field.y, field.bottom() - cell)) + 2;
    if (at.right() <= field.x) {
      canvas.Text({field.x + 3, y}, "← " + mark.text, style);
    } else if (at.x >= field.right()) {
      const std::string text = mark.text + " →";
      canvas.Text({field.right() - canvas.Width(text, style) - 3, y}, text, style);
    } else {
      canvas.Outline(at, kMark, 2);
      canvas.Text({at.x + 3, y}, mark.text, style);
    }
  }
}

/// In as many columns as the height asks for; what does not fit is counted.
double DrawCaptions(const std::vector<std::string>& captions, const Box& box, Canvas& canvas) {
  const TextStyle style = {.size = 14, .bold = true, .color = kAccent};
  const auto count = static_cast<int64_t>(captions.size());
  const auto rows = std::max<int64_t>(1, static_cast<int64_t>(box.h / kCaptionHeight));
  double widest = 1;
  for (const std::string& caption : captions) widest = std::max(widest, canvas.Width(caption, style) + 20);
  const auto most = std::max<int64_t>(1, static_cast<int64_t>(box.w / widest));
  const int64_t columns = std::min(most, (count + rows - 1) / rows);
  const int64_t shown = std::min(count, columns * rows);
  for (int64_t i = 0; i < shown; ++i) {
    const bool is_cut = i == shown - 1 && shown < count;
    const std::string text = is_cut ? fmt::format("and {} more", count - shown + 1) : captions[static_cast<size_t>(i)];
    const double width = box.w / static_cast<double>(columns);
    DrawFitting({box.x + width * static_cast<double>(i / rows), box.y + kCaptionHeight * static_cast<double>(i % rows)},
                text, width - 8, style, canvas);
  }
  return kCaptionHeight * static_cast<double>(std::min(rows, count));
}

}  // namespace

void DrawCells(const envs::Picture& picture, int view, double dark, double cell, Point corner, Canvas& canvas) {
  for (int row = 0; row < picture.rows; ++row) {
    for (int column = 0; column < picture.columns; ++column) {
      const envs::Cell thing = picture.cells[static_cast<size_t>(row * picture.columns + column)];
      const double dim = IsSeen(picture, view, row, column) ? 0 : dark;
      const Box at = {corner.x + column * cell, corner.y + row * cell, cell, cell};
      const Color ground = Mix(GroundOf(thing), kBackground, dim);
      canvas.Fill(at, ground);
      if (thing.kind == envs::kFloor) canvas.Outline(at, Mix(ground, kBackground, 0.5), 1);
      if (thing.kind > envs::kWall) DrawThing(thing, at, ground, dim, canvas);
    }
  }
  if (picture.agent_row < 0) return;
  const Point agent = {corner.x + (picture.agent_column + 0.5) * cell, corner.y + (picture.agent_row + 0.5) * cell};
  canvas.Disc(agent, cell * 0.3, kBackground);
  canvas.Disc(agent, cell * 0.26, kText);
  canvas.Disc(agent, cell * 0.12, kAccent);
}

void DrawBoard(const AgentView& agent, double zoom, const Box& box, Canvas& canvas) {
  const BoardView& board = agent.board;
  const double outcome = kCaptionHeight * kOutcomeLines;
  const double captions = kCaptionHeight * static_cast<double>(board.captions.size());
  const Box field = {box.x, box.y, box.w, std::max(40.0, box.h - captions - outcome - 6)};
  double y = box.y;
  if (!board.picture.empty()) {
    const double fit = std::min(field.w / board.picture.columns, field.h / board.picture.rows);
    const double cell = std::floor(std::clamp(fit, kSmallestCell, kLargestCell) * zoom);
    const double height = std::min(field.h, cell * board.picture.rows);
    canvas.Clip(Box{field.x, field.y, field.w, height});
    const double agent_x = (board.picture.agent_column + 0.5) * cell, agent_y = (board.picture.agent_row + 0.5) * cell;
    const Point corner = {std::floor(field.x + Scroll(cell * board.picture.columns, field.w, agent_x)),
                          std::floor(field.y + std::min(0.0, Scroll(cell * board.picture.rows, height, agent_y)))};
    DrawCells(board.picture, board.view, board.is_blind ? 1 : kDim, cell, corner, canvas);
    DrawMarks(board, cell, corner, {field.x, field.y, field.w, height}, canvas);
    canvas.Clip(std::nullopt);
    const double left = std::max(field.x, corner.x), width = std::min(field.w, cell * board.picture.columns);
    if (board.flash != 0) canvas.Outline({left, field.y, width, height}, board.flash > 0 ? kGood : kBad, 3);
    y += height + 6;
  }
  if (!board.captions.empty())
    y += DrawCaptions(board.captions, {box.x, y, box.w, std::max(kCaptionHeight, box.bottom() - outcome - y)}, canvas);
  DrawWrapped({box.x, y}, agent.outcome, box.w, {.size = 13, .bold = agent.has_outcome, .color = kText}, canvas);
}

}  // namespace lethe::tools
