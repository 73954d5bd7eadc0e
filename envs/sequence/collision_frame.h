#pragma once

#include <array>
#include <cmath>
#include <cstdint>

namespace lethe::envs::sequence {

// What a frame of ObjectCollision says, and what is asked of it; how the particles move is in object_collision.cpp.

inline constexpr int kCollisionGrid = 16, kCollisionColours = 5;  // as published, and the most there are symbols for
inline constexpr int kFrameTokens = 8;
inline constexpr int kCollisionSymbols = 2 * kCollisionGrid + 2 * kCollisionColours;

/// Two particles after their move, and the question.
struct CollisionFrame {
  std::array<std::array<double, 2>, 2> position;  ///< of each particle: row, column; strictly inside (0, grid - 1)
  std::array<uint8_t, 2> colour;                  ///< of each particle, 0..4
  std::array<uint8_t, 2> question;                ///< ordered pair of colours
};

/// The cell of a coordinate: the nearest integer, ties to even.
inline int CellOf(double coordinate) { return static_cast<int>(std::lrint(coordinate)); }

/// Where each ordered pair of colours met last, as the label that answers a question: 1 + 2 [row >= grid / 2] +
/// [column >= grid / 2], 0 for pairs that never met.
class CrossingRecord {
 public:
  explicit CrossingRecord(int grid = kCollisionGrid) : half_(grid / 2) {}

  /// Takes note if both particles are in one cell.
  void See(const CollisionFrame& frame) {
    const int row = CellOf(frame.position[0][0]), column = CellOf(frame.position[0][1]);
    if (row != CellOf(frame.position[1][0]) || column != CellOf(frame.position[1][1])) return;
    latest_ = frame.colour;
    has_any_ = true;
    labels_[IndexOf(frame.colour)] = static_cast<uint8_t>(1 + 2 * (row >= half_) + (column >= half_));
  }

  uint8_t LabelOf(const std::array<uint8_t, 2>& pair) const { return labels_[IndexOf(pair)]; }

  bool has_any() const { return has_any_; }
  /// The pair that met latest; only where has_any().
  const std::array<uint8_t, 2>& latest() const { return latest_; }

 private:
  static size_t IndexOf(const std::array<uint8_t, 2>& pair) {
    return static_cast<size_t>(pair[0]) * kCollisionColours + pair[1];
  }

  int half_;
  std::array<uint8_t, kCollisionColours * kCollisionColours> labels_{};
  std::array<uint8_t, 2> latest_{};
  bool has_any_ = false;
};

/// Row, column and colour of each particle, then the question; every kind of token has ids of its own.
inline std::array<uint8_t, kFrameTokens> TokensOf(const CollisionFrame& frame) {
  std::array<uint8_t, kFrameTokens> tokens{};
  for (size_t particle = 0; particle < 2; ++particle) {
    tokens[3 * particle] = static_cast<uint8_t>(CellOf(frame.position[particle][0]));
    tokens[3 * particle + 1] = static_cast<uint8_t>(kCollisionGrid + CellOf(frame.position[particle][1]));
    tokens[3 * particle + 2] = static_cast<uint8_t>(2 * kCollisionGrid + frame.colour[particle]);
    tokens[6 + particle] = static_cast<uint8_t>(2 * kCollisionGrid + kCollisionColours + frame.question[particle]);
  }
  return tokens;
}

}  // namespace lethe::envs::sequence
