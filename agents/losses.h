#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace lethe::agents {

/// Log-probabilities and probabilities of a row of logits. out and p have as many entries as logits.
void LogSoftmax(std::span<const float> logits, std::span<float> log_p, std::span<float> p);

/// Log-probability of one action.
float LogProbability(std::span<const float> logits, int action);

/// KL(teacher || student) of two rows of logits, nats.
double KlDivergence(std::span<const float> teacher, std::span<const float> student);

/// Sums over steps of the terms of a loss, for reports.
struct LossSums {
  double policy = 0, value = 0, entropy = 0, kl = 0;
  std::vector<double> explanation;  ///< of every token
  int64_t steps = 0;
};

/// Weights of the actor-critic loss of one step: -advantage log pi(a) + value (V - target)^2 - entropy H(pi). Of
/// several actions that are as right pi(a) is the sum: how it is shared among them is free.
/// With value_clip c > 0 the square is the larger of (V - target)^2 and (V' - target)^2, V' being V kept within c of
/// the value that the acting policy had: what moved far is not pushed further. Source: PPO's published code.
struct LossWeights {
  double value = 0.5;
  double entropy = 0.01;
  double value_clip = 0;  ///< 0: none
};

/// What an actor-critic loss knows of a step besides the head.
struct StepCredit {
  int action = 0;
  double advantage = 0, target = 0;
  double acting_value = 0;  ///< of the policy that acted, for value_clip
  uint8_t ties = 0;         ///< bits of the actions 0 .. 7 that are as right as `action`
};

inline bool IsRight(const StepCredit& credit, size_t action) {
  return static_cast<int>(action) == credit.action || (action < 8 && (credit.ties >> action & 1) != 0);
}

/// Adds one step's terms to `sums` and writes d(loss * scale)/d(head) of that step. head: logits, then the value.
void ActorCriticStep(std::span<const float> head, const StepCredit& credit, const LossWeights& weights, double scale,
                     std::span<float> grad, LossSums& sums);

/// The same for consolidation: KL(teacher || student) * scale + value_weight (V - V_teacher)^2 * scale_value.
void DistillStep(std::span<const float> teacher, std::span<const float> student, double value_weight, double scale,
                 double scale_value, std::span<float> grad, LossSums& sums);

/// Adds the cross-entropies of an explanation's tokens, and writes the gradient of their sum * scale. logits: of every
/// token as many as its vocabulary, at most 256, one token after the other.
void ExplanationStep(std::span<const float> logits, std::span<const int> vocabularies, std::span<const uint8_t> tokens,
                     double scale, std::span<float> grad, LossSums& sums);

}  // namespace lethe::agents
