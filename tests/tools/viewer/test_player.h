#pragma once

#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "agents/flat_parameters.h"
#include "tests/agents/tiny_run.h"
#include "tools/viewer/session.h"

namespace lethe::tools {

/// Plays what its options say, with a policy or without; tests turn its knobs while a session has it.
class TestPlayer : public Player {
 public:
  explicit TestPlayer(std::shared_ptr<const agents::RunOptions> run,
                      std::shared_ptr<const agents::FixedPolicy> policy = nullptr)
      : run_(std::move(run)), policy_(std::move(policy)) {}

  std::unique_ptr<agents::PlayedEpisode> Begin(uint64_t seed, uint64_t number) override {
    ++begins;
    if (!error.empty()) throw std::runtime_error(error);
    auto env = envs::Find(run_->env.id)
                   .make_batch(*run_->env.params,
                               {.size = 1, .seed = seed, .purpose = envs::Purpose::kEvaluate, .first_index = number});
    std::vector<uint8_t> observation(static_cast<size_t>(env->num_tokens()));
    env->Reset(observation.data());
    return std::make_unique<agents::PlayedEpisode>(std::move(env), policy_, seed, number);
  }
  const std::vector<uint8_t>* Recorded() const override { return is_replay ? &recorded : nullptr; }
  void Poll() override { ++polls; }
  const std::string& env_id() const override { return run_->env.id; }
  std::string name() const override { return "test"; }
  std::string status(const agents::FixedPolicy*) const override { return "well"; }
  bool has_policy() const override { return policy_ != nullptr; }
  bool is_person() const override { return person; }
  uint64_t first_seed() const override { return 5; }

  std::string error;  ///< of the next Begin; "" none
  bool is_replay = false, person = false;
  std::vector<uint8_t> recorded;
  int polls = 0, begins = 0;

 private:
  const std::shared_ptr<const agents::RunOptions> run_;
  const std::shared_ptr<const agents::FixedPolicy> policy_;
};

/// A corridor of a length; the oracle needs as many steps.
inline std::shared_ptr<const agents::RunOptions> CorridorOf(int length, std::vector<std::string> more = {}) {
  more.insert(more.begin(), {"env.id=Corridor-Short-v0", "env.length_min=" + std::to_string(length),
                             "env.length_max=" + std::to_string(length)});
  return agents::MakeRun(more);
}

/// A corridor so long that nobody comes to its end by chance, with a tiny memory whose spans expire soon.
inline std::shared_ptr<const agents::RunOptions> LongRun(const std::vector<std::string>& more) {
  std::vector<std::string> all = {"memory.dim=16", "train.num_envs=8", "train.unroll_length=8",
                                  "consolidate.max_steps=0"};
  all.insert(all.end(), more.begin(), more.end());
  return CorridorOf(60, all);
}
inline const std::vector<std::string> kExpireSpan = {"memory.ffn=32", "memory.heads=2", "memory.span_limit=24",
                                                     "memory.ramp=4"};

/// Weights off their starting values, so that no two steps are remembered alike.
inline std::shared_ptr<const agents::FixedPolicy> RandomPolicy(std::shared_ptr<const agents::RunOptions> run) {
  torch::manual_seed(3);
  agents::Policy policy(agents::MakePolicyOptions(*run));
  {
    const torch::NoGradGuard no_grad;
    for (torch::Tensor& p : policy.parameters()) p += 0.2 * torch::randn(p.sizes());
    policy.core().ClampParameters();
  }
  return std::make_shared<agents::FixedPolicy>(run, agents::FlatParameters(policy).Read(), 1'000);
}

/// From now on this policy throws memory::NotFinite at whatever it sees.
inline void Poison(const agents::FixedPolicy& policy) {
  const torch::NoGradGuard no_grad;
  for (torch::Tensor& p : policy.policy->parameters()) p.fill_(std::numeric_limits<float>::quiet_NaN());
}

/// A session of these players; the players stay in reach.
struct TestSession {
  std::vector<TestPlayer*> players;
  Session session;

  explicit TestSession(std::unique_ptr<TestPlayer> player) : TestSession(One(std::move(player))) {}
  explicit TestSession(std::vector<std::unique_ptr<TestPlayer>> all)
      : players(Pointers(all)), session({std::make_move_iterator(all.begin()), std::make_move_iterator(all.end())}) {}

 private:
  static std::vector<std::unique_ptr<TestPlayer>> One(std::unique_ptr<TestPlayer> player) {
    std::vector<std::unique_ptr<TestPlayer>> all;
    all.push_back(std::move(player));
    return all;
  }
  static std::vector<TestPlayer*> Pointers(const std::vector<std::unique_ptr<TestPlayer>>& all) {
    std::vector<TestPlayer*> pointers;
    for (const auto& player : all) pointers.push_back(player.get());
    return pointers;
  }
};

}  // namespace lethe::tools
