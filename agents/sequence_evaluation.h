#pragma once

#include <functional>
#include <string>
#include <vector>

#include "agents/sequence_options.h"
#include "agents/sequence_shards.h"
#include "agents/sequence_state.h"

namespace lethe::agents {

/// A task's score by its name.
struct NamedScore {
  std::string name;
  double value = 0;
  double chance = 0;  ///< best without memory, or, for text, of the uniform guess
};

/// What a model scores on a split it was not trained on, and what it remembers meanwhile. Means over all steps of all
/// rows; per layer where a vector.
struct SequenceEvaluation {
  std::string split;
  std::vector<NamedScore> scores;
  double loss = 0;  ///< nats per scored label
  int64_t num_scored = 0;
  std::vector<double> living, living_max, resident, span_mean;
  double paper_memory_size = 0;  ///< R - 1 + mean floor(e); NaN without predicted spans
  int64_t tokens = 0;            ///< padding included
  double seconds = 0;
};

/// "train", "valid", "test".
const char* SplitName(envs::sequence::Split split);

/// Reads a split from its start to its end (at most `max_blocks` blocks; 0: all), memory going on from block to block.
/// Deterministic for the same batch, block and threads. Errors: Interrupted when `stop` said so.
SequenceEvaluation EvaluateSequence(const SequenceOptions& options, const SequenceModel& model,
                                    const FlatParameters& parameters, WorkerPool& pool, envs::sequence::Split split,
                                    int64_t max_blocks, const std::function<bool()>& stop);

/// The same for given weights, with a model of its own.
SequenceEvaluation EvaluateSequence(const SequenceOptions& options, const std::vector<float>& parameters,
                                    envs::sequence::Split split, const std::function<bool()>& stop);

/// A fresh model of these options. The task's stream says how many symbols and labels there are.
/// Errors: std::invalid_argument where core or device cannot compute in train.dtype.
std::shared_ptr<SequenceModel> MakeSequenceModel(const SequenceOptions& options,
                                                 const envs::sequence::SequenceSpec& spec);

/// The model's weights of a checkpoint or live file. Errors: as LoadSequence.
std::vector<float> SequenceWeights(const configs::SafetensorsFile& file, const SequenceOptions& options);

/// One JSON object: the keys of `lethe eval --json`.
std::string ToJson(const SequenceEvaluation& evaluation);

}  // namespace lethe::agents
