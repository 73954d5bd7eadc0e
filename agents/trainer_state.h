#pragma once

#include <string>
#include <vector>

#include "agents/best_student.h"
#include "agents/checkpoint_tensors.h"
#include "agents/consolidation.h"
#include "agents/curriculum.h"
#include "agents/phase.h"
#include "agents/rollout.h"
#include "configs/safetensors.h"

namespace lethe::agents {

/// Mean score over successive windows of episodes, for decisions that must not depend on time.
struct ScoreWindow {
  double sum = 0, last_mean = 0;
  int64_t count = 0;
  void Add(double score, int64_t length) {
    sum += score;
    if (++count < length) return;
    last_mean = sum / static_cast<double>(count);
    sum = 0, count = 0;
  }
};

/// Everything that decides how training goes on from an update boundary.
struct TrainerState {
  Phase phase = Phase::kLearn;
  int64_t phase_number = 0;        ///< place of the phase, or of the last one, in the list of phases
  int64_t phase_first_update = 0;  ///< number of updates when it began
  int64_t env_steps = 0;           ///< over all phases
  int64_t phase_steps = 0;         ///< in this phase
  int64_t updates = 0;
  double seconds = 0;               ///< wall time so far, for logs only
  std::vector<float> parameters;    ///< of the policy that learns; the student in consolidation
  std::vector<float> teacher;       ///< of the latest consolidation; empty before it
  std::vector<float> mean, square;  ///< the optimiser's moments
  int64_t optimizer_updates = 0;
  Curriculum::Progress curriculum, student_curriculum;
  BestStudent best_student;  ///< of the present consolidation
  ScoreWindow target;
  MemoryPrice::State price;
  std::vector<ActorState> actors;          ///< empty entries: not started
  std::vector<memory::StatePtr> students;  ///< per actor, while the oracle or a teacher acts
};

/// Writes a checkpoint: weights as policy.* (and teacher.*), optimizer.*, actor<i>.*, student<i>.*, counters in the
/// metadata. Atomic and checksummed. Errors: as configs::WriteSafetensors.
void SaveCheckpoint(const std::string& path, const TrainerState& state, const std::vector<ParameterLayout>& layout);

/// Weights alone, for viewers and --init-from.
void SaveWeights(const std::string& path, const std::vector<float>& parameters,
                 const std::vector<ParameterLayout>& layout, int64_t env_steps);

/// The inverse of SaveCheckpoint; `core` knows how to restore memory states.
/// Errors: configs::SafetensorsError, std::invalid_argument naming what does not fit this run's options.
TrainerState LoadCheckpoint(const configs::SafetensorsFile& file, const std::vector<ParameterLayout>& layout,
                            const memory::Core& core, size_t actors);

}  // namespace lethe::agents
