#pragma once

#include <memory>
#include <string>

#include "agents/actor_critic.h"
#include "agents/cloning.h"
#include "agents/consolidation.h"
#include "agents/core_options.h"
#include "agents/curriculum.h"
#include "agents/optimizer.h"
#include "agents/phase.h"
#include "agents/policy.h"
#include "configs/options.h"
#include "envs/params.h"
#include "envs/registry.h"

namespace lethe::agents {

/// Every option of a run: what configs/*.yaml and `key=value` set and config.yaml records. Each line of a Visit is the
/// option's name, place, range and meaning; nothing else in the program repeats them.
struct RunOptions {
  int64_t seed = 1;
  std::string device = "cpu";
  std::string phases = "clone learn consolidate";  ///< in this order; those without steps are left out

  struct Env {
    std::string id = "Corridor-v0";
    std::unique_ptr<envs::Params> params;  ///< of that id
  } env;

  struct Policy {
    bool last_action = false;  ///< whether observations end with the action that led to them
    int64_t cell_heads = 0;    ///< of the CellPointer; 0: there is none
    int64_t glance_heads = 0;  ///< of the CellGlance before the memory's last layer; 0: there is none
  } policy;
  CoreChoice memory;

  struct Train {
    int64_t num_envs = 64, actors = 2, learner_threads = 2, unroll_length = 32, max_policy_lag = 0;
    double queue_gigabytes = 4;  ///< rollouts that wait for the learner may take so much
    int64_t max_steps = 10'000'000;
    double max_minutes = 0, target_score = 0;
    int64_t target_episodes = 1024;
    double span_rate = 1;  ///< learning rate of the span predictors relative to the rest
  } train;
  OptimizerOptions optimizer;
  ActorCriticOptions loss;
  CurriculumOptions curriculum;

  struct Clone {
    int64_t max_steps = 0;
    std::string teacher = "oracle";  ///< or scout, which knows nothing but what was observed
    std::string actor = "oracle";    ///< the teacher; or policy, which the teacher advises
    bool accepts_ties = false;       ///< whatever the scout holds as good as its action is as right
    CloningOptions loss;
    OptimizerOptions optimizer;
  } clone;

  struct Consolidate {
    int64_t max_steps = 0;
    double span_rate = 1;
    double initial_span = 0;       ///< share of the limit at which spans start again; 0: they go on as they are
    double sharpen = 1;            ///< factor of the span predictors' arguments at the start, the teacher's too
    CurriculumOptions curriculum;  ///< by agreement with the teacher
    bool stretch = false;          ///< a student that fails remembers longer, for nothing
    OptimizerOptions optimizer;
    ConsolidationOptions price;
  } consolidate;

  struct Log {
    int64_t interval_updates = 50, checkpoint_interval_steps = 500'000, keep_checkpoints = 3, eval_episodes = 1000;
    double live_seconds = 5;
  } log;

  /// Options that hold for env.id and memory.core; call SetEnv and memory.Set first (ReadRunOptions does).
  void Visit(configs::Options& options);
  /// Makes env.params of this id. Errors: std::invalid_argument with the nearest id.
  void SetEnv(const std::string& id);
  /// Steps that a phase lasts at most; 0: it is left out.
  int64_t MaxSteps(Phase phase) const;
  const OptimizerOptions& OptimizerOf(Phase phase) const;
  /// Learning rate of the span predictors relative to the rest.
  double SpanRate(Phase phase) const { return phase == Phase::kConsolidate ? consolidate.span_rate : train.span_rate; }
  /// Copies what follows from other options (the block, ramp of the charges) and checks the rules between them.
  /// Errors: std::invalid_argument naming the option, its value and what is allowed.
  void Resolve();
};

/// Binds the options of a curriculum.
void VisitCurriculum(CurriculumOptions& curriculum, configs::Options& options);

/// Binds the options of an optimiser.
void VisitOptimizer(OptimizerOptions& optimizer, configs::Options& options);

/// Reads a document into options: env.id first, since it decides which env.* options there are.
/// Errors: configs::OptionError, std::invalid_argument.
std::unique_ptr<RunOptions> ReadRunOptions(const configs::Document& document);

/// config.yaml of these options: reading it back gives the same options.
std::string ToYaml(RunOptions& options);

/// What a policy needs for this run's environment.
PolicyOptions MakePolicyOptions(const RunOptions& options);

/// The batch of `size` environments whose first row has the given global index.
std::unique_ptr<envs::EnvBatch> MakeEnvs(const RunOptions& options, int64_t size, envs::Purpose purpose,
                                         uint64_t first_row);

}  // namespace lethe::agents
