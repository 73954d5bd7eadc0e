#pragma once

#include <memory>

#include "agents/param_store.h"
#include "agents/policy.h"
#include "agents/queue.h"
#include "agents/rollout.h"
#include "envs/env_batch.h"

namespace lethe::agents {

/// How an actor chooses among its policy's probabilities.
enum class Choice { kSample, kGreedy };

/// Draws one action per row from head [B, actions + 1]. Random numbers are a function of (seed, purpose, row, step).
class ActionSampler {
 public:
  ActionSampler(uint64_t seed, envs::Purpose purpose, uint64_t first_row)
      : seed_(seed), purpose_(purpose), first_row_(first_row) {}
  void Sample(const float* head, int64_t rows, int64_t num_actions, int64_t step, Choice choice,
              uint8_t* actions) const;

 private:
  const uint64_t seed_;
  const envs::Purpose purpose_;
  const uint64_t first_row_;
};

struct ActorOptions {
  int index = 0;  ///< position among the actors
  uint64_t seed = 0;
  uint64_t first_row = 0;  ///< global index of row 0, for the random streams
  int64_t unroll = 32;
  Acting acting = Acting::kPolicy;
  bool asks_scout = false;  ///< who acts as oracle or advises is the environment's scout
  bool asks_ties = false;   ///< and tells what would be as good
  bool asks_why = false;    ///< and what it is after
};

/// One batch of environments, a policy of its own, and where they stand. Belongs to one thread.
class Actor {
 public:
  /// Starts new episodes everywhere with empty memory.
  Actor(const ActorOptions& options, std::unique_ptr<envs::EnvBatch> envs, std::shared_ptr<Policy> policy);

  /// Goes on where a rollout ended; with new episodes if somebody else acted in it.
  void Restore(const ActorState& state);

  /// T steps with the given parameters.
  Rollout Run(const ParamVersion& params);

 private:
  void StartEpisodes(const ParamVersion& params);
  void Act(int64_t slot, Rollout& rollout, PolicyStepper* stepper);
  bool OracleActs() const { return options_.acting == Acting::kOracle; }
  void Advise(uint8_t* actions, uint8_t* ties);
  void RecordEpisodes(int64_t slot, Rollout& rollout);

  const ActorOptions options_;
  const std::unique_ptr<envs::EnvBatch> envs_;
  const std::shared_ptr<Policy> policy_;
  const std::unique_ptr<class FlatParameters> parameters_;
  const ActionSampler sampler_;
  const size_t score_metric_, steps_metric_;
  int64_t loaded_version_ = -1;
  int64_t number_ = 0;
  ActorState now_;

 public:
  ~Actor();
};

/// Actor thread: rollouts from `actor` into `queue` until either end is closed.
void ActorLoop(Actor& actor, ParamStore& params, Queue<Rollout>& queue);

}  // namespace lethe::agents
