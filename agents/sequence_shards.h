#pragma once

#include <cstdint>
#include <vector>

#include "agents/flat_parameters.h"
#include "agents/memory_tally.h"
#include "agents/sequence_model.h"
#include "agents/worker_pool.h"
#include "envs/sequence/sequence_task.h"
#include "memory/torch.h"

namespace lethe::agents {

/// One block of tokens of all rows, and a model's answers to it. Every array is [rows, steps].
struct SequenceBlock {
  SequenceBlock(int64_t num_rows, int64_t num_steps);

  /// Where SequenceStream::Next writes.
  envs::sequence::TokenBlock out() {
    return {tokens.data(), labels.data(), scored.data(), episode_start.data(), padding.data()};
  }
  int64_t NumScored() const;
  double SumNats() const;  ///< of the scored labels

  const int64_t rows, steps;
  std::vector<uint8_t> tokens, labels, scored, episode_start, padding;
  std::vector<float> nats;         ///< -ln of the probability given to the label, where scored
  std::vector<uint8_t> predicted;  ///< most probable label, where scored
};

/// What spans cost: d(loss)/d(...), see memory::BlockOutput.
struct SpanCharge {
  double ramp_sum = 0;   ///< alike for all rows
  double span_mean = 0;  ///< alike for all layers
};

/// What an update has of its block besides the answers.
struct BlockReport {
  std::vector<float> gradient;  ///< flat; empty where only answers were asked for
  MemoryTally memory;
  MemoryTally teacher_memory;
  double kl = 0;            ///< nats, sum over the scored labels: how far from the teacher
  int64_t saved_bytes = 0;  ///< of tensors that live from the forward to the backward pass
};

/// What a teacher says to a block.
struct Lesson {
  /// Log-probabilities of the labels, of every shard [scored, labels]; undefined where nothing is scored. Empty: there
  /// is no teacher.
  std::vector<torch::Tensor> log_probabilities;
  MemoryTally memory = MemoryTally();  ///< the teacher's own
};

/// Runs a model over blocks: each thread takes rows of its own, with their memory, which goes on from block to block.
///
///   block --rows--> [shard 0: forward, loss, backward] --gradient--> sum, in order of the shards
///                   [shard 1: ...            thread 1]
class SequenceShards {
 public:
  /// One shard for each thread of the pool; rows >= threads.
  SequenceShards(const SequenceModel& model, const FlatParameters& parameters, WorkerPool& pool, int64_t rows,
                 double ramp);

  /// Forgets everything.
  void Start();

  /// Answers a block without gradients.
  BlockReport Answer(SequenceBlock& block);
  /// What a teacher says to a block, without gradients; the block's own answers stay as they are.
  Lesson Teach(SequenceBlock& block);
  /// Answer, and the gradient of: mean nats of the scored labels + the core's own loss + charge. With a teacher's
  /// lesson, KL(teacher || model) stands in place of the nats. noise: of this update, odd; `measures`: fill
  /// saved_bytes.
  BlockReport Learn(SequenceBlock& block, const SpanCharge& charge, uint64_t noise, bool measures,
                    const Lesson& lesson = {});

  /// Memory of every shard before the next block.
  const std::vector<memory::StatePtr>& memories() const { return memories_; }
  /// Errors: std::invalid_argument if number or rows of the shards differ.
  void Restore(std::vector<memory::StatePtr> memories);

 private:
  struct Pass;  // of one shard
  std::vector<Pass> ForwardAll(SequenceBlock& block, bool marks);

  int64_t FirstRow(size_t shard) const {
    return rows_ * static_cast<int64_t>(shard) / static_cast<int64_t>(memories_.size());
  }
  void Forward(SequenceBlock& block, uint64_t noise, size_t shard, Pass& pass);
  void Mark(SequenceBlock& block, Pass& pass) const;
  void Backward(const SequenceBlock& block, const SpanCharge& charge, int64_t num_scored, Pass& pass) const;

  const SequenceModel& model_;
  const FlatParameters& parameters_;
  WorkerPool& pool_;
  const int64_t rows_;
  const double ramp_;
  std::vector<memory::StatePtr> memories_;
};

}  // namespace lethe::agents
