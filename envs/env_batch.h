#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "envs/picture.h"
#include "envs/spec.h"
#include "envs/stream.h"

namespace lethe::envs {

/// B environments of one kind that are stepped together: one virtual call per batch, none per environment.
///
/// Next-step autoreset: the last observation of an episode is written like any other. In the next Step that row
/// ignores its action, starts a new episode and writes its first observation, reward 0, both ends 0,
/// episode_start 1. Episodes of a row are numbered from 0; the number is part of the random key.
///
/// Errors: std::invalid_argument for an action outside the table, std::out_of_range for a row outside
/// 0 .. size() - 1, std::logic_error for a question about a row that has not started an episode. A call that
/// throws has changed nothing.
/// Threads: one batch belongs to one thread at a time, except that threads may call StepRows for rows of their own at
/// the same time; different batches share nothing.
/// Allocates nothing in Reset, Restart, Step, Observe, Oracle, Explain, Memoryless, Cues, EpisodeMetrics, nor in Scout
/// after its first call.
class EnvBatch {
 public:
  virtual ~EnvBatch() = default;

  virtual const Spec& spec() const = 0;
  virtual int size() const = 0;
  int num_tokens() const { return static_cast<int>(spec().tokens.size()); }

  /// Starts every row's next episode (its first, in a fresh batch) and writes [size * num_tokens] tokens.
  virtual void Reset(uint8_t* observations) = 0;
  /// Starts one row's next episode and writes its first observation, [num_tokens]: for same-step autoreset.
  virtual void Restart(int row, uint8_t* observation) = 0;

  /// Applies one action per row, [size]. Rows that never started begin their first episode.
  void Step(const uint8_t* actions, const StepOutput& out) {
    CheckActions(actions);
    StepRows(0, size(), actions, out);
  }
  /// The two halves of Step, for callers with threads of their own: the check of all actions, [size] ...
  virtual void CheckActions(const uint8_t* actions) const = 0;
  /// ... and the step of rows first .. end - 1; `actions` and `out` are those of the whole batch.
  virtual void StepRows(int first, int end, const uint8_t* actions, const StepOutput& out) = 0;

  /// Writes every row's present observation again, [size * num_tokens].
  virtual void Observe(uint8_t* observations) const = 0;

  /// Metrics of the row's latest finished episode, in the order of spec().metric_names; zeros before the first.
  virtual std::span<const float> EpisodeMetrics(int row) const = 0;
  /// Sets the curriculum parameter, rounded down and clamped to spec().curriculum_min .. curriculum_max; a row
  /// takes it over at its next start. std::logic_error if the environment has none, std::invalid_argument for NaN.
  virtual void SetCurriculum(double value) = 0;

  /// Everything that decides the future, the curriculum included, as bytes for the same build and machine type.
  virtual std::vector<std::byte> Save() const = 0;
  /// Takes over what Save gave. std::invalid_argument if it is damaged, of another environment, other parameters
  /// or another size. Seed, purpose and first_index come from the bytes.
  virtual void Restore(std::span<const std::byte> bytes) = 0;

  /// The present state as cells; empty where the environment has none.
  virtual Picture MakePicture(int row) const = 0;
  /// The present state as a picture of characters, lines ending in '\n'.
  virtual std::string Text(int row) const = 0;
  /// The record of the row's level, one line of JSON: record and actions determine the episode.
  virtual std::string LevelJson(int row) const = 0;
  /// Starts the row on a recorded level instead of a drawn one; its episode number does not change. The record's
  /// parameters must be those of the batch, except the curriculum parameter. std::invalid_argument otherwise.
  virtual void LoadLevel(int row, const std::string& level_json) = 0;

  /// The oracle's action for each row's present state, [size].
  virtual void Oracle(uint8_t* actions) const = 0;
  /// Has this environment a scout, a player that knows nothing but its own observations and actions and forgets none?
  virtual bool HasScout() const { return false; }
  /// The scout's action for each row's present state, [size]. It takes notes of what it sees where it is asked; of an
  /// episode in which it was not asked from the start on, it does not know what came before. The notes are saved and
  /// restored with the batch. std::logic_error if there is none.
  /// ties: null, or [size] for a bit for each of the actions 0 .. 7 that the scout holds as good, its own included.
  virtual void Scout(uint8_t* /*actions*/, uint8_t* /*ties*/) {
    throw std::logic_error(spec().family + " has no scout");
  }
  void Scout(uint8_t* actions) { Scout(actions, nullptr); }
  /// What the scout is after in each row's present state, in which it has been asked, in tokens that spec().explanation
  /// describes, [size * explanation.size()]: all 0 after termination. std::logic_error if there is no scout that
  /// explains, or it was never asked.
  virtual void Explain(uint8_t*) const { throw std::logic_error(spec().family + " has no scout that explains"); }
  /// The actions of a policy that sees nothing but these observations, [size * num_tokens] -> [size]: the best there
  /// is, or a good one where the best is not known. It may draw from `random`.
  virtual void Memoryless(const uint8_t* observations, Stream& random, uint8_t* actions) const = 0;
  /// True if the row's present observation shows the secret that has to be remembered.
  virtual bool IsCue(int row) const = 0;
  /// IsCue of every row as 0 or 1, [size].
  virtual void Cues(uint8_t* is_cue) const = 0;
};

}  // namespace lethe::envs
