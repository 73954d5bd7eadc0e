#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "agents/checkpoint_tensors.h"
#include "agents/curriculum.h"

namespace lethe::agents {

/// Everything that decides how a sequence training goes on from an update boundary.
struct SequenceState {
  int64_t updates = 0;
  int64_t tokens = 0;
  double seconds = 0;  ///< wall time so far, for logs only
  std::vector<float> parameters;
  std::vector<float> mean, square;  ///< the optimiser's moments
  int64_t optimizer_updates = 0;
  Curriculum::Progress curriculum;
  double alpha = 0;   ///< of the span loss, in either phase
  double excess = 0;  ///< averaged loss above train.span_target, NaN: not yet averaged; divergence from the teacher
  std::vector<std::byte> stream;           ///< SequenceStream::Save
  std::vector<std::byte> scorer;           ///< Scorer::Save
  std::vector<memory::StatePtr> memories;  ///< of every shard
  std::vector<float> teacher;              ///< while consolidating: the model as it was before; else empty
  std::vector<memory::StatePtr> teacher_memories;
  int64_t taught_since = 0;  ///< updates before consolidation
};

/// Writes a checkpoint: weights as model.*, teacher.*, optimizer.*, stream, memory<i>.*, teacher_memory<i>.*, counters
/// in the metadata. Atomic and checksummed. Errors: as configs::WriteSafetensors.
void SaveSequence(const std::string& path, const SequenceState& state, const std::vector<ParameterLayout>& layout);

/// Weights alone, for viewers and --init-from.
void SaveSequenceWeights(const std::string& path, const std::vector<float>& parameters,
                         const std::vector<ParameterLayout>& layout, int64_t updates);

/// The inverse of SaveSequence; `core` knows how to restore memory states.
/// Errors: configs::SafetensorsError, std::invalid_argument naming what does not fit this run's options.
SequenceState LoadSequence(const configs::SafetensorsFile& file, const std::vector<ParameterLayout>& layout,
                           const memory::Core& core);

/// The model's weights of a checkpoint or live file. Errors: as LoadSequence.
std::vector<float> LoadSequenceWeights(const configs::SafetensorsFile& file,
                                       const std::vector<ParameterLayout>& layout);

}  // namespace lethe::agents
