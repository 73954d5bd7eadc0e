#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agents/actor_critic.h"
#include "agents/options.h"
#include "agents/trainer_state.h"

namespace lethe::agents {

/// One log interval, for metrics files and for the screen.
struct TrainingStatus {
  Phase phase = Phase::kLearn;
  int64_t env_steps = 0, phase_steps = 0, phase_max_steps = 0, updates = 0;
  double seconds = 0;      ///< wall time of the run, earlier sessions included
  double steps_per_s = 0;  ///< wall
  double share_envs = 0, share_acting = 0, share_learning = 0, share_waiting = 0;
  double score = 0;  ///< mean of the episodes that ended in the interval; NaN: none did
  double episode_length = 0;
  int64_t episodes = 0;
  double curriculum = 0;  ///< NaN: the environment has none
  std::string curriculum_name;
  double policy_lag = 0;        ///< mean number of updates between acting and learning
  double never_forgetting = 0;  ///< mean number of earlier steps of the episode, over the interval's episodes
  double gflops = 0;            ///< counted arithmetic per second
  UpdateReport update;          ///< of the last update; memory figures over the interval
};

/// How a trainer speaks to the program around it. All are called from the thread that runs Train.
struct TrainerHooks {
  std::function<void(const TrainingStatus&)> log;                          ///< every log interval
  std::function<void(const TrainerState&)> checkpoint;                     ///< save this; throws if that fails
  std::function<void(const std::vector<float>&, int64_t env_steps)> live;  ///< new weights for viewers
  std::function<bool()> stop;                                              ///< asked after every update
};

/// The learner: starts actor threads, collects their rollouts, updates, and moves from phase to phase.
///
///   actors --Rollout--> queue --> [clone: CloningUpdate | learn: ActorCriticUpdate |
///   consolidate: ConsolidationUpdate] --> ParamStore -->
///   actors
///
/// Learning ends at max_steps or at the target score; the other phases at their max_steps.
/// Errors: whatever an actor, the learner or a hook throws, after all threads have ended; std::runtime_error for a loss
/// or gradient that is not finite (the state before it is what the last checkpoint holds).
class Trainer {
 public:
  Trainer(const RunOptions& options, TrainerHooks hooks);
  ~Trainer();

  /// Goes on from a checkpoint; without it training starts from fresh weights.
  void Restore(TrainerState state);
  /// Fresh start from given weights.
  void InitFrom(const std::vector<float>& parameters);

  /// Runs to the end of the last phase, or until `stop` or max_minutes. True: the end was reached.
  bool Train();

  const TrainerState& state() const;
  const std::vector<ParameterLayout>& layout() const;
  const memory::Core& core() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// Counted arithmetic of one environment step, acting and learning, with `living` memories per layer: multiply-adds of
/// linear layers and attention as two operations each; bank projections once per unroll.
double FlopsPerStep(const Policy& policy, int64_t unroll, double living);

}  // namespace lethe::agents
