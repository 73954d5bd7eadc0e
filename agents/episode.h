#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "agents/options.h"
#include "agents/policy.h"
#include "envs/env_batch.h"
#include "envs/picture.h"

namespace lethe::agents {

/// A policy with parameters that no longer change, and the options of its run.
struct FixedPolicy {
  /// weights: flat, as FlatParameters orders them. trained_steps: how long it was trained.
  /// Errors: std::invalid_argument for another number of weights than these options have.
  FixedPolicy(std::shared_ptr<const RunOptions> run, const std::vector<float>& weights, int64_t trained_steps);

  const std::shared_ptr<const RunOptions> options;
  const std::vector<float> parameters;
  const int64_t env_steps;
  const std::shared_ptr<const Policy> policy;
};

/// What one step sees of one layer's memories: those alive (m > 0), oldest first. A compressed memory stands at the
/// first of the steps that it is made of; where that one is still remembered as it is too, it comes twice.
struct LayerMemories {
  int64_t heads = 0;
  std::vector<int64_t> steps;  ///< the step of the episode that each was made at
  std::vector<double> spans;   ///< in steps; where heads have spans of their own, the longest
  std::vector<double> masks;   ///< m, in (0, 1]
  std::vector<float> weights;  ///< [heads, steps.size()]: attention, 0 where a head's own span has passed
};

/// One step of an episode: what was seen, what a policy made of it, what was done.
struct EpisodeStep {
  std::vector<uint8_t> observation;
  envs::Picture picture;
  bool is_cue = false;
  int action = -1;                   ///< taken on this observation; -1: none (yet)
  float reward = 0;                  ///< of that action
  std::vector<float> probabilities;  ///< of the actions; empty without a policy
  float value = 0;
  std::vector<int32_t> living;  ///< per layer: memories alive for it, itself excluded; empty unless made of steps
  std::vector<double> spans;    ///< per layer: how long it will be remembered itself; empty unless predicted
};

/// How an action is chosen.
enum class Chooser { kSample, kGreedy, kOracle, kRandom };

/// One episode of one environment, step by step, with everything that was seen, decided and remembered. The policy
/// looks at every observation when it arrives, the last one of the episode included.
///
/// Memories of any step can be asked for later: those of the latest steps are kept, those of others are computed again
/// from the memory's state before their unroll, which gives the same numbers. (Episode, in agents/rollout.h, is what a
/// trainer keeps of one that ended.)
/// Threads: belongs to one thread.
class PlayedEpisode {
 public:
  /// env: a batch of one whose episode has begun and stands at its first observation; where the policy sees its last
  /// action (policy.last_action) and the batch does not show it, that is added. policy: null for none. number:
  /// of the episode, for the random numbers of Choose. bytes: about so much is kept for MemoriesAt.
  /// Errors: std::invalid_argument for a batch of another size, or one that shows other tokens or knows other actions
  /// than the policy.
  PlayedEpisode(std::unique_ptr<envs::EnvBatch> env, std::shared_ptr<const FixedPolicy> policy, uint64_t seed,
                uint64_t number, int64_t bytes = int64_t{256} << 20);
  ~PlayedEpisode();

  const envs::Spec& spec() const;
  const FixedPolicy* policy() const;
  uint64_t seed() const;
  uint64_t number() const;
  const std::string& level_json() const;  ///< the record of the level
  int64_t newest() const;                 ///< steps are 0 .. newest()
  const EpisodeStep& At(int64_t step) const;
  bool terminated() const;
  bool truncated() const;
  bool ended() const { return terminated() || truncated(); }
  double score() const;                     ///< of the ended episode, by spec().score_metric; 0 before
  std::span<const float> metrics() const;   ///< of the ended episode, as spec().metric_names
  double return_until(int64_t step) const;  ///< sum of the rewards of actions before `step`

  /// The action for the newest step: a function of (seed, number, step) and of what was seen.
  /// Errors: std::logic_error for kSample or kGreedy without a policy.
  int Choose(Chooser chooser) const;
  /// Takes an action at the newest step. Errors: std::invalid_argument for one that does not exist, std::logic_error
  /// once the episode has ended.
  void Take(int action);

  /// Per layer, what step 0 .. newest() sees; empty for memories that are not made of steps, or without a policy.
  /// Valid until the next call of MemoriesAt or Take.
  const std::vector<LayerMemories>& MemoriesAt(int64_t step);
  /// Bytes that one memory takes in one layer.
  int64_t BytesPerMemory() const;

 private:
  class Recorder;
  std::unique_ptr<Recorder> recorder_;
};

}  // namespace lethe::agents
