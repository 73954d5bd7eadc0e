#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace lethe::envs::sequence {

// Sequence tasks: streams of tokens with a label to predict at each of them. No actions, no rewards.

/// Train goes round for ever; valid and test are read once, from the first label to the last.
enum class Split : uint32_t { kTrain, kValid, kTest };

/// What a score counts; each over the scored labels of an evaluation or of a stretch of training.
enum class Measure {
  kBitsPerLabel,      ///< mean of -log2 of the probability given to the label
  kAccuracy,          ///< share of labels predicted
  kError,             ///< 1 - kAccuracy
  kSequenceAccuracy,  ///< share of sequences of Spec::labels_per_sequence labels with every label predicted
};

/// One number that a task is judged by.
struct ScoreSpec {
  std::string name;  ///< as in logs: "bits_per_byte"
  Measure measure;
  double chance = 0;  ///< best without memory, or, for text, of the uniform guess
};

/// What a model and its trainer must know of a task. Constant for the life of a stream.
struct SequenceSpec {
  std::string family;                     ///< "Copy", without variant and version
  int num_symbols = 0;                    ///< tokens are 0 .. num_symbols - 1; <= 256
  int num_labels = 0;                     ///< labels, the classes to predict, are 0 .. num_labels - 1; <= 256
  int unscored_label = -1;                ///< the label of tokens where nothing is asked; -1: every label is scored
  int64_t labels_per_sequence = 0;        ///< scored labels that belong together, one after the other; 0: no such thing
  std::vector<ScoreSpec> scores;          ///< the first is the one that runs are compared by
  std::string curriculum_parameter = {};  ///< integer parameter that makes sequences harder; "": none
  double curriculum_min = 0;              ///< its easiest value
  double curriculum_max = 0;              ///< its hardest value: the configured one
};

/// How to build a stream. The same seed, split and number of rows give the same tokens on any machine.
struct StreamOptions {
  Split split = Split::kTrain;
  int rows = 1;       ///< independent streams side by side, > 0
  int64_t steps = 1;  ///< tokens of each row that one call of Next writes, > 0
  uint64_t seed = 0;  ///< of generated tasks
};

/// Where Next writes: each [rows, steps], one row after the other.
struct TokenBlock {
  uint8_t* tokens = nullptr;
  uint8_t* labels = nullptr;
  uint8_t* scored = nullptr;         ///< 1: the label counts; 0: nothing is asked here
  uint8_t* episode_start = nullptr;  ///< 1: memory begins anew at this token; so it does at every padding
  uint8_t* padding = nullptr;        ///< 1: behind a row's end
};

/// One split of a task, as rows that are read side by side, block by block.
/// Threads: a stream belongs to one thread at a time; different streams share nothing.
class SequenceStream {
 public:
  virtual ~SequenceStream() = default;

  virtual const SequenceSpec& spec() const = 0;
  virtual const StreamOptions& options() const = 0;

  /// Writes the next `steps` tokens of every row; a row that has ended is padded with token 0. False, with
  /// nothing written, once valid or test is over: every label was scored once. Allocates nothing.
  virtual bool Next(const TokenBlock& out) = 0;

  /// Sets the curriculum parameter, rounded down and clamped to spec().curriculum_min .. curriculum_max, for sequences
  /// that begin in later calls of Next. Errors: std::logic_error where the task has none.
  virtual void SetCurriculum(double /*value*/) {
    throw std::logic_error(spec().family + " has no curriculum parameter");
  }

  /// The position and the curriculum, as bytes for the same build and machine type; a stream of the same task, split,
  /// rows and steps that takes it over goes on alike. Errors of Restore: std::invalid_argument for damaged bytes or
  /// those of another stream; nothing has changed then.
  virtual std::vector<std::byte> Save() const = 0;
  virtual void Restore(std::span<const std::byte> bytes) = 0;
};

}  // namespace lethe::envs::sequence
