#pragma once

#include <cstdint>
#include <span>

namespace lethe::agents {

/// Constants of the one return formula.
struct ReturnConstants {
  double discount = 0.99;  ///< gamma
  double lambda = 0.95;    ///< 1: n-step on-policy; GAE(lambda) advantages on-policy
  double clip_rho = 1;     ///< importance ratios in the temporal difference
  double clip_c = 1;       ///< importance ratios in the trace
};

/// What one row of a rollout gives to the return formula; all spans have T entries, values T + 1.
struct ReturnInput {
  std::span<const float> rewards;       ///< of the action taken at t
  std::span<const float> values;        ///< V of observation t; values[T] bootstraps the end of the unroll
  std::span<const float> ratios;        ///< target / behaviour probability of the action; 1 on-policy
  std::span<const uint8_t> terminated;  ///< the action at t ended the episode: no value follows
  std::span<const uint8_t> is_last;     ///< slot t is an episode's last observation: its action is ignored
};

/// V-trace with lambda, backwards over one row:
///
///   delta_t = rho_t (r_t + gamma V_{t+1} [not terminated] - V_t),  rho_t = min(clip_rho, ratio_t)
///   A_t     = delta_t + gamma lambda c_t A_{t+1} [episode goes on],  c_t = min(clip_c, ratio_t)
///   target  = V_t + A_t,  advantage = A_t
///
/// On-policy, lambda = 1: targets are n-step returns. On-policy: advantages are GAE(lambda).
/// The last observation of a truncated episode sits in slot t + 1, so V_{t+1} bootstraps it. Slots with is_last get
/// advantage 0 and target V.
/// Source: IMPALA (arXiv:1802.01561), eq. (1) with its remark on lambda; GAE (arXiv:1506.02438), eq. (16).
void Returns(const ReturnInput& row, const ReturnConstants& constants, std::span<float> targets,
             std::span<float> advantages);

}  // namespace lethe::agents
