#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "memory/core.h"

namespace lethe::agents {

/// Who chooses the actions of a rollout.
enum class Acting {
  kPolicy,         ///< the policy
  kOracle,         ///< the environment's oracle; no policy is asked
  kAdvisedPolicy,  ///< the policy, and the oracle says what it should have done
};

/// Where an actor stands between two rollouts: enough to go on exactly there, in this process or another.
struct ActorState {
  std::vector<std::byte> envs;         ///< EnvBatch::Save
  std::vector<uint8_t> observations;   ///< [B, tokens] of the next slot
  std::vector<uint8_t> episode_start;  ///< [B]
  std::vector<uint8_t> is_last;        ///< [B]
  std::vector<double> curriculum;      ///< [B] value of the curriculum parameter when the row's episode began
  std::vector<int64_t> version;        ///< [B] of the parameters when it began
  memory::StatePtr memory;
  int64_t steps = 0;           ///< slots acted on; counts the action randomness
  uint8_t acts_as_oracle = 0;  ///< 1: the environment's oracle acts, and `memory` remembers nothing
};

/// One finished episode.
struct Episode {
  float score = 0;        ///< the environment's main score
  float length = 0;       ///< steps
  double curriculum = 0;  ///< value of the curriculum parameter when it began
  int64_t version = 0;    ///< of the parameters when it began
};

/// T steps of B environments, slot by slot: [T + 1, B] where the last slot is the first of the next rollout.
/// An episode's last observation has a slot of its own (is_last): its action is ignored and it carries no loss.
struct Rollout {
  int actor = 0;
  Acting acting = Acting::kPolicy;
  int64_t number = 0;   ///< of this actor, from 0
  int64_t version = 0;  ///< of the parameters that acted
  int64_t unroll = 0, rows = 0, tokens = 0, num_actions = 0;

  std::vector<uint8_t> observations;   ///< [T + 1, B, tokens]
  std::vector<uint8_t> episode_start;  ///< [T + 1, B]
  std::vector<uint8_t> is_last;        ///< [T + 1, B]
  std::vector<uint8_t> actions;        ///< [T, B]
  std::vector<uint8_t> advice;         ///< [T, B] what the oracle would do; empty where nobody asked for it
  std::vector<uint8_t> ties;           ///< [T, B] EnvBatch::Scout's; empty where nobody asked
  std::vector<uint8_t> explanation;    ///< [T, B, its tokens] what the scout was after; empty where nobody asked
  std::vector<float> rewards;          ///< [T, B]
  std::vector<uint8_t> terminated;     ///< [T, B]
  std::vector<uint8_t> truncated;      ///< [T, B]
  std::vector<float> head;        ///< [T, B, num_actions + 1] of the acting policy: logits, then value; oracle: none
  std::vector<Episode> episodes;  ///< that ended in this rollout

  memory::StatePtr memory;  ///< of the acting policy, before slot 0
  ActorState end;           ///< after slot T - 1

  int64_t env_steps = 0;  ///< slots before T that are not is_last
  double seconds_envs = 0, seconds_acting = 0, seconds_waiting = 0;
};

/// What the arrays of one rollout take; memories, which are shared, not counted. told: tokens that the scout says in a
/// step besides its action: ties, explanation.
inline double RolloutBytes(int64_t rows, int64_t unroll, int64_t tokens, int64_t num_actions, int64_t told) {
  const double per_slot = static_cast<double>(tokens) + 2;  // seen, start, last
  const double per_step = 4 + sizeof(float) +
                          sizeof(float) * static_cast<double>(num_actions + 1) +  // action, advice and what followed
                          static_cast<double>(told);
  return static_cast<double>(rows) *
         (static_cast<double>(unroll + 1) * per_slot + static_cast<double>(unroll) * per_step);
}

}  // namespace lethe::agents
