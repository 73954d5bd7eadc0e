#pragma once

#include <memory>
#include <string>

#include "agents/core_options.h"
#include "agents/curriculum.h"
#include "agents/optimizer.h"
#include "configs/options.h"
#include "envs/params.h"
#include "envs/sequence/sequence_registry.h"

namespace lethe::agents {

/// Every option of a run on a sequence task: what configs/*.yaml and `key=value` set and config.yaml records.
struct SequenceOptions {
  int64_t seed = 1;
  std::string device = "cpu";

  struct Task {
    std::string id = "CharLM-v0";
    std::unique_ptr<envs::Params> params;  ///< of that id
  } task;

  CoreChoice memory;

  struct Train {
    int64_t batch = 16, block = 128, threads = 2;
    int64_t max_updates = 10'000;
    double max_minutes = 0;
    std::string dtype = "float32";
    std::string span_loss = "ramp";
    double span_weight = 0, span_target = 0, span_tolerance = 0.01, span_weight_rate = 0.03, span_rate = 1;
  } train;
  OptimizerOptions optimizer;

  /// After learning: the model becomes the teacher of one that starts from its weights and is charged for its memory.
  struct Consolidate {
    int64_t max_updates = 0;
    double tolerance = 0.01, alpha_start = 1e-7, alpha_rate = 0.03, initial_span = 0, span_rate = 1;
    OptimizerOptions optimizer;
  } consolidate;
  CurriculumOptions curriculum;  ///< its episodes are sequences of labels, each right or wrong

  struct Evaluate {
    int64_t interval_updates = 1'000, batch = 0, valid_blocks = 0;
  } evaluate;

  struct Log {
    int64_t interval_updates = 50, checkpoint_interval_updates = 1'000, keep_checkpoints = 3;
    double live_seconds = 5;
  } log;

  /// Options that hold for task.id and memory.core; call SetTask and memory.Set first (ReadSequenceOptions does).
  void Visit(configs::Options& options);
  /// Makes task.params of this id. Errors: std::invalid_argument with the nearest id.
  void SetTask(const std::string& id);
  /// Copies what follows from other options (the block) and checks the rules between them.
  /// Errors: std::invalid_argument naming the option, its value and what is allowed.
  void Resolve();

  /// Updates of both phases.
  int64_t MaxUpdates() const { return train.max_updates + consolidate.max_updates; }
  /// Rows of an evaluation.
  int64_t EvaluationBatch() const { return evaluate.batch > 0 ? evaluate.batch : train.batch; }
};

/// Reads a document into options: task.id and memory.core first, since they decide which other options there are.
/// Errors: configs::OptionError, std::invalid_argument.
std::unique_ptr<SequenceOptions> ReadSequenceOptions(const configs::Document& document);

/// config.yaml of these options: reading it back gives the same options.
std::string ToYaml(SequenceOptions& options);

/// Does this config describe a sequence task, and not an agent in an environment?
bool IsSequenceConfig(const configs::Document& document);

/// A split of the run's task. Errors: std::invalid_argument for files and sizes that do not fit.
std::unique_ptr<envs::sequence::SequenceStream> OpenStream(const SequenceOptions& options, envs::sequence::Split split);

}  // namespace lethe::agents
