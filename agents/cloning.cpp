#include "agents/cloning.h"

#include <algorithm>

#include "agents/credit.h"

namespace lethe::agents {

namespace {

bool Agrees(std::span<const float> head, const StepCredit& advice) {
  const auto logits = head.first(head.size() - 1);
  return IsRight(advice, static_cast<size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
}

}  // namespace

UpdateReport CloningUpdate(const std::vector<Rollout>& rollouts, const CloningOptions& options,
                           const ActorCriticOptions& actor_critic, double progress, ShardedPolicy& policy,
                           std::span<float> parameters, Optimizer& optimizer, StudentMemory& memories) {
  const bool oracle_acted = rollouts[0].acting == Acting::kOracle;
  auto shards =
      policy.Forward(rollouts, oracle_acted ? StatesBefore(rollouts, memories) : ActingStates(rollouts), oracle_acted);
  if (oracle_acted) KeepStates(shards, memories);
  const auto& vocabularies = policy.policy().options().explanation;
  int64_t steps = 0, agreeing = 0;
  for (const Rollout& rollout : rollouts) steps += rollout.env_steps;
  const double scale = 1 / static_cast<double>(std::max<int64_t>(steps, 1));
  LossSums sums;
  for (Shard& shard : shards) {
    const Rollout& r = *shard.rollout;
    const Credit credit =
        AssignCredit(shard, actor_critic.returns, oracle_acted ? Behaviour::kForeign : Behaviour::kOwn);
    for (int64_t row = 0; row < r.rows; ++row) {
      for (int64_t t = 0; t < r.unroll; ++t) {
        if (!HasLoss(r, row, t)) continue;
        const auto at = static_cast<size_t>(t * r.rows + row);
        // Cross-entropy, also of several actions that are right, is the policy loss with an advantage of 1.
        const StepCredit advice = {.action = r.advice[at],
                                   .advantage = 1,
                                   .target = credit.targets[static_cast<size_t>(row * r.unroll + t)],
                                   .ties = r.ties.empty() ? uint8_t{0} : r.ties[at]};
        ActorCriticStep(shard.Head(row, t), advice, {.value = options.value_weight, .entropy = 0}, scale,
                        shard.GradHead(row, t), sums);
        agreeing += Agrees(shard.Head(row, t), advice);
        if (!r.explanation.empty())
          ExplanationStep(shard.Explanation(row, t), vocabularies, shard.Said(row, t), options.explain_weight * scale,
                          shard.GradExplanation(row, t), sums);
      }
    }
  }
  ChargeSpans(actor_critic, shards);
  UpdateReport report = FinishUpdate(shards, sums, progress, policy, parameters, optimizer);
  report.agreement = static_cast<double>(agreeing) * scale;
  report.span_weight = actor_critic.span_weight;
  return report;
}

}  // namespace lethe::agents
