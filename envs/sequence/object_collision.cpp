#include <stdexcept>

#include <fmt/format.h>

#include "envs/sequence/collision_frame.h"
#include "envs/sequence/normal.h"
#include "envs/sequence/sequence_registry.h"
#include "envs/sequence/split_rows.h"
#include "envs/sequence/stream_state.h"

namespace lethe::envs::sequence {
namespace {

constexpr const char* kObjectCollisionRules = R"(Remember where particles of two colours met last.

Two particles, 0 and 1, fly through a grid of G x G cells (`grid`, 16) and change among C colours (`colours`, 5) now and
then. Every frame ends with a question: in which quarter of the grid did a particle 0 of colour a and a particle 1 of
colour b meet last?

**Start.** Positions uniform in [0, G - 1] on both axes (row, column), velocities normal with mean 0 and standard
deviation 0.5 per axis, colours uniform in 0 .. C - 1.

**One frame.**
1. For particle 0, then 1: while position + velocity is not strictly inside (0, G - 1) on both axes, both components of
   its velocity are drawn again; position += velocity; with probability 0.05 its colour becomes uniform in 0 .. C - 1.
2. The cell of a particle is its position rounded to the nearest integers. If both are in one cell, this cell is
   recorded for the ordered pair (colour 0, colour 1) in place of an older one. Nothing else happens on contact.
3. The question (a, b): with probability 0.4, if any pair has met, the easy pair; else two independent uniform colours.
   The easy pair, by `easy_pair`: `current`, the present colours of the particles; `last`, the pair that met latest.
4. Tokens: row, 16 + column, 32 + colour of particle 0, the same of particle 1, 37 + a, 37 + b. The label of the last
   token is 1 + 2 [row >= G / 2] + [column >= G / 2] of the recorded cell, or 0, not scored, if the pair never met; the
   other seven have label 0.

**Stream.** One uninterrupted stream per split of `train_frames`, `valid_frames`, `test_frames` frames, cut into rows as
the file of CharLM is. Memory begins only at the start of a row; training passes begin there again.

**Score.** error on scored labels; by chance 0.75 with an even G.

**Memory needed.** With G = 16 and C = 5, pairs meet every 244 frames (1,950 tokens). Of a question `current`, the
meeting lies 7,000 frames back in the median and 48,000 at the 99th percentile; a memory of at most C * C cells answers
all. Small grids with few colours are the same task at another pace: with G = 4 particles meet about every 13 frames.

**Source.** Sukhbaatar et al., arXiv:2105.06548. `current` is what the published generator does (published errors come
with it), `last` what the paper describes. Other sizes than 16 and 5 are ours.
)";

struct ObjectCollisionParams {
  std::string easy_pair = "current";
  int64_t grid = kCollisionGrid, colours = kCollisionColours;
  int64_t train_frames = 50'000'000;
  int64_t valid_frames = 5'000'000;
  int64_t test_frames = 5'000'000;

  template <class V>
  void Visit(V& v) {
    const configs::Range frames{1, 4'000'000'000};  // their number is part of a random key of 32 bits
    v("easy_pair", easy_pair, configs::OneOf{{"current", "last"}}, "the pair that easy questions ask about");
    v("grid", grid, configs::Range{2, kCollisionGrid}, "cells along a side");
    v("colours", colours, configs::Range{1, kCollisionColours}, "colours of the particles");
    v("train_frames", train_frames, frames, "frames of the train split, 8 tokens each");
    v("valid_frames", valid_frames, frames, "frames of the valid split");
    v("test_frames", test_frames, frames, "frames of the test split");
  }
  void Check() const {}

  int64_t frames(Split split) const {
    return split == Split::kTrain ? train_frames : split == Split::kValid ? valid_frames : test_frames;
  }
};

constexpr uint32_t Threshold(double probability) { return static_cast<uint32_t>(probability * 0x1p32); }

/// The particles and what they left behind.
class World {
 public:
  World(const ObjectCollisionParams& params, Stream random)
      : last_cell_(static_cast<double>(params.grid - 1)),
        colours_(static_cast<uint32_t>(params.colours)),
        asks_latest_(params.easy_pair == "last"),
        record_(static_cast<int>(params.grid)) {
    for (size_t particle = 0; particle < 2; ++particle) {
      for (double& coordinate : frame_.position[particle]) coordinate = last_cell_ * random.Uniform();
      DrawVelocity(particle, random);
      frame_.colour[particle] = DrawColour(random);
    }
  }

  void Advance(Stream random) {
    for (size_t particle = 0; particle < 2; ++particle) Move(particle, random);
    record_.See(frame_);
    const bool easy = random.Next() < Threshold(0.4);
    if (easy && record_.has_any()) {
      frame_.question = asks_latest_ ? record_.latest() : frame_.colour;
    } else {
      const uint32_t pair = random.Below(colours_ * colours_);
      frame_.question = {static_cast<uint8_t>(pair / colours_), static_cast<uint8_t>(pair % colours_)};
    }
  }

  std::array<uint8_t, kFrameTokens> tokens() const { return TokensOf(frame_); }
  uint8_t label() const { return record_.LabelOf(frame_.question); }

 private:
  uint8_t DrawColour(Stream& random) const { return static_cast<uint8_t>(random.Below(colours_)); }

  void DrawVelocity(size_t particle, Stream& random) {
    for (double& component : velocity_[particle]) component = 0.5 * DrawNormal(random);
  }

  bool StaysInside(size_t particle) const {
    const auto& [row, column] = frame_.position[particle];
    const double next_row = row + velocity_[particle][0], next_column = column + velocity_[particle][1];
    return next_row > 0 && next_row < last_cell_ && next_column > 0 && next_column < last_cell_;
  }

  void Move(size_t particle, Stream& random) {
    while (!StaysInside(particle)) DrawVelocity(particle, random);
    for (size_t axis = 0; axis < 2; ++axis) frame_.position[particle][axis] += velocity_[particle][axis];
    if (random.Next() < Threshold(0.05)) frame_.colour[particle] = DrawColour(random);
  }

  double last_cell_;
  uint32_t colours_;
  bool asks_latest_;
  CollisionFrame frame_{};
  std::array<std::array<double, 2>, 2> velocity_{};
  CrossingRecord record_;
};

class ObjectCollision final : public SequenceStream {
 public:
  using Params = ObjectCollisionParams;
  static constexpr const char* kFamily = "ObjectCollision";
  static constexpr const char* kRules = kObjectCollisionRules;

  /// Runs through the split once to find the start of every row: 4 s for 50 million frames.
  ObjectCollision(const Params& params, const StreamOptions& options)
      : params_(params),
        options_(options),
        cursor_(Row(0).count * kFrameTokens, options.steps, options.split == Split::kTrain) {
    CheckLength();
    spec_ = {.family = kFamily,
             .num_symbols = kCollisionSymbols,
             .num_labels = 5,
             .unscored_label = 0,
             .labels_per_sequence = 0,
             .scores = {{"error", Measure::kError, 0.75}}};
    FindStarts();
  }

  const SequenceSpec& spec() const override { return spec_; }
  const StreamOptions& options() const override { return options_; }

  bool Next(const TokenBlock& out) override {
    const int64_t place = cursor_.Advance();
    if (place < 0) return false;
    if (place == 0) worlds_ = starts_;
    for (int row = 0; row < options_.rows; ++row) WriteRow(row, place, out);
    return true;
  }

  std::vector<std::byte> Save() const override {
    return SaveCounters(OwnIdentity(), std::vector<int64_t>{cursor_.next()});
  }

  /// Takes as long as the constructor.
  void Restore(std::span<const std::byte> bytes) override {
    cursor_.set_next(RestoreCounters<int64_t>(bytes, OwnIdentity(), 1)[0]);
    const int64_t shown = (cursor_.next() + kFrameTokens - 1) / kFrameTokens;  // the last one maybe in part
    worlds_ = starts_;
    for (int row = 0; row < options_.rows; ++row) {
      const RowRange range = Row(row);
      for (int64_t i = 0; i < std::min(shown, range.count); ++i) Advance(worlds_[row], range.first + i);
    }
  }

 private:
  int64_t frames() const { return params_.frames(options_.split); }
  bool is_training() const { return options_.split == Split::kTrain; }

  RowRange Row(int row) const {
    return is_training() ? TrainingRow(frames(), options_.rows, row) : EvaluationRow(frames(), options_.rows, row);
  }

  void CheckLength() const {
    const int64_t tokens = Row(0).count * kFrameTokens;
    if (!is_training() || tokens >= options_.steps) return;
    throw std::invalid_argument(
        fmt::format("train_frames is {}, which gives each of {} rows {} tokens; needed: {}, a block", frames(),
                    options_.rows, tokens, options_.steps));
  }

  void FindStarts() {
    World world(params_, SplitStream(options_.seed, options_.split, 0));
    int64_t frame = 0;
    for (int row = 0; row < options_.rows; ++row) {
      for (const int64_t first = Row(row).first; frame < first; ++frame) Advance(world, frame);
      starts_.push_back(world);
    }
    worlds_ = starts_;
  }

  // Frame 0 has the number 1; 0 is the start.
  void Advance(World& world, int64_t frame) const {
    world.Advance(SplitStream(options_.seed, options_.split, static_cast<uint32_t>(frame) + 1));
  }

  void WriteRow(int row, int64_t place, const TokenBlock& out) {
    World& world = worlds_[row];
    const RowRange range = Row(row);
    const int64_t first = row * options_.steps;
    auto tokens = world.tokens();
    for (int64_t i = 0; i < options_.steps; ++i) {
      const int64_t at = first + i, frame = (place + i) / kFrameTokens, token = (place + i) % kFrameTokens;
      out.tokens[at] = out.labels[at] = out.scored[at] = 0;
      out.padding[at] = out.episode_start[at] = frame >= range.count;
      if (out.padding[at]) continue;
      if (token == 0) {
        Advance(world, range.first + frame);
        tokens = world.tokens();
      }
      out.tokens[at] = tokens[token];
      if (token == kFrameTokens - 1) out.scored[at] = (out.labels[at] = world.label()) != 0;
    }
    if (place == 0) out.episode_start[first] = 1;
  }

  Json OwnIdentity() const {
    Json identity = Identity(spec_, options_);
    identity["easy_pair"] = params_.easy_pair;
    identity["grid"] = params_.grid, identity["colours"] = params_.colours;
    identity["frames"] = frames();
    return identity;
  }

  Params params_;
  StreamOptions options_;
  SequenceSpec spec_;
  BlockCursor cursor_;
  std::vector<World> starts_;  // of every row
  std::vector<World> worlds_;  // of every row, at the frame shown last
};

LETHE_REGISTER_TASK(ObjectCollision, {
                                         {"ObjectCollision-v0", {}},
                                         {"ObjectCollision-Last-v0", {{"easy_pair", "last"}}},
                                     });

}  // namespace
}  // namespace lethe::envs::sequence
