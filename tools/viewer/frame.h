#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "envs/picture.h"
#include "tools/viewer/canvas.h"
#include "tools/viewer/control.h"

namespace lethe::tools {

// What one picture of the viewer shows, in full. Session and episodes go into it (describe.h), drawing comes out of it
// (draw.h); neither knows the other.

enum class MemoryOrder { kTime, kSpan, kAttention };

/// A memory of one of the players.
struct MemoryPlace {
  int agent = 0, layer = 0;
  int64_t step = 0;
  bool operator==(const MemoryPlace&) const = default;
};

/// A past step of the episode as one cell of a layer's strip.
struct MemoryCell {
  enum class State { kLiving, kOnRamp, kExpired };
  int64_t step = 0;
  State state = State::kExpired;
  double attention = 0;   ///< share of the present step's attention, of the chosen head or the mean of heads
  double remaining = 0;   ///< steps that it will still be seen in full; below 0 on the ramp and behind it
  double brightness = 0;  ///< 0..1: attention beside that of the layer's other memories
  double warmth = 0;      ///< 0..1: remaining span, logarithmic, 1 for the longest of the episode
  double ghost = 0;       ///< 0..1: 1 when it has just expired, falling to 0
  bool is_cue = false;    ///< its observation shows the secret
};

/// The course of an episode, which grows with every step played.
struct Course {
  std::vector<float> reward;               ///< of the actions taken
  std::vector<float> value, entropy;       ///< of every step, entropy in nats; empty without a policy
  std::vector<std::vector<float>> living;  ///< per layer: memories alive at every step
  std::vector<std::vector<float>> spans;   ///< per layer: what every step was given; empty where none are predicted
  std::vector<int64_t> cues, rewards;      ///< steps whose observation shows the secret; steps that brought a reward
};

/// One layer's memories as the present step sees them.
struct LayerView {
  std::vector<MemoryCell> cells;  ///< in the order to be shown
  int64_t living = 0;
  int64_t bytes_per_memory = 0;
  std::optional<double> new_span;  ///< how long the present step will be remembered; none: not predicted
  int64_t left_out = 0;            ///< memories dead for long that are no longer listed
};

/// The environment at the present step.
struct BoardView {
  envs::Picture picture;  ///< empty: captions say it all
  int view = 0;           ///< side of the square that the agent sees
  bool is_blind = false;  ///< the rest is not shown
  double flash = 0;       ///< reward that this step brought: above 0 good, below 0 bad
  struct Mark {
    int row, column;
    std::string text;
  };
  std::vector<Mark> marks;            ///< places of memories that are pointed at
  std::vector<std::string> captions;  ///< "word: lamp", "number of the room: 3"
};

/// What the policy makes of the present step. Empty without a policy.
struct PolicyView {
  std::vector<std::string> actions;
  std::vector<float> probabilities;
  int action = -1;  ///< taken at the present step; -1: none yet
  float value_now = 0, entropy_now = 0;
};

/// Course of a training that is followed.
struct TrainingView {
  std::vector<double> env_steps, score;
  std::vector<std::vector<double>> living;  ///< per layer
};

/// What one memory holds: for the tooltip and for a click.
struct MemoryDetail {
  MemoryPlace place;
  MemoryCell::State state = MemoryCell::State::kExpired;
  std::optional<double> span;
  double remaining = 0;
  std::vector<float> attention;  ///< per head; empty once expired
  envs::Picture seen;            ///< the square that was seen then; empty without cells
  std::vector<std::string> captions;
  std::string action;
  float reward = 0;
};

/// One player: a run, an environment with an oracle, a person.
struct AgentView {
  std::string name;
  std::string status;       ///< "weights of step 1.2 M, 3 s old; in training"
  std::string problem;      ///< "" if all is well
  std::string layers_note;  ///< instead of layers where there are none: why
  int64_t step = 0;         ///< shown; newest is the last one played
  int64_t newest = 0;
  std::string outcome;  ///< "step 12   return 0.5", or of the ended episode "ended: score 1 (success) ..."
  bool has_outcome = false;
  BoardView board;
  std::vector<LayerView> layers;
  PolicyView policy;
  TrainingView training;
  const Course* course = nullptr;
};

struct Frame {
  std::vector<AgentView> agents;  ///< one, or two side by side
  int64_t step = 0, newest = 0;   ///< of the timeline: the longest episode of them
  std::string environment;        ///< "Corridor-v0"
  std::string place;              ///< "seed 1, episode 3"
  std::string pace;               ///< "8 steps/s", "unlimited"
  std::string choice;             ///< "sample", "greedy", "oracle", "random", "you act", "replay"
  MemoryOrder order = MemoryOrder::kTime;
  struct Way {
    std::string text;
    Control control;  ///< that changes it
  };
  std::vector<Way> memories;  ///< how strips are shown: "mean of heads, by time, all"
  std::string note;           ///< the latest message; "" none
  bool is_playing = false;
  double zoom = 1;  ///< of the board's and the strips' cells
  std::optional<MemoryDetail> hovered, selected;
  Point pointer;  ///< of the mouse, for the tooltip
  bool shows_help = false;
  bool is_person = false;  ///< keys are actions
};

}  // namespace lethe::tools
