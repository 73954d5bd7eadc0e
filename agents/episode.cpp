#include "agents/episode.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <stdexcept>

#include "agents/actor.h"
#include "agents/flat_parameters.h"
#include "agents/policy_record.h"
#include "envs/last_action.h"
#include "envs/philox.h"

namespace lethe::agents {

namespace {

/// Sets random actions apart from levels and from draws among a policy's probabilities, which use smaller numbers.
constexpr uint32_t kRandomActionStream = 2u << 16;

std::shared_ptr<const Policy> MakePolicy(const RunOptions& options, const std::vector<float>& weights) {
  auto policy = std::make_shared<Policy>(MakePolicyOptions(options));
  policy->to(torch::Device(options.device));
  FlatParameters parameters(*policy);
  if (parameters.size() != static_cast<int64_t>(weights.size()))
    throw std::invalid_argument(
        fmt::format("there are {} weights; this run's policy has {}", weights.size(), parameters.size()));
  parameters.Write(weights);
  return policy;
}

/// The batch, with what the policy sees of its own. Errors: std::invalid_argument for one that the policy cannot play,
/// or of another size than 1.
std::unique_ptr<envs::EnvBatch> RequireFit(std::unique_ptr<envs::EnvBatch> env, const FixedPolicy* policy) {
  if (env->size() != 1) throw std::invalid_argument(fmt::format("batch size is {}; allowed: 1", env->size()));
  if (policy == nullptr) return env;
  const PolicyOptions& wants = policy->policy->options();
  if (policy->options->policy.last_action && env->spec().tokens.size() + 1 == wants.vocabularies.size())
    env = std::make_unique<envs::LastActionBatch>(std::move(env));
  const envs::Spec& spec = env->spec();
  std::vector<int> vocabularies;
  for (const envs::TokenSpec& token : spec.tokens) vocabularies.push_back(token.vocabulary);
  if (vocabularies != wants.vocabularies || spec.num_actions != wants.num_actions)
    throw std::invalid_argument(
        fmt::format("the policy was made for other observations or actions than these of {}: "
                    "{} tokens and {} actions, not {} and {}, or other values of the tokens",
                    spec.family, wants.vocabularies.size(), wants.num_actions, vocabularies.size(), spec.num_actions));
  return env;
}

}  // namespace

FixedPolicy::FixedPolicy(std::shared_ptr<const RunOptions> run, const std::vector<float>& weights,
                         int64_t trained_steps)
    : options(std::move(run)),
      parameters(weights),
      env_steps(trained_steps),
      policy(MakePolicy(*options, parameters)) {}

class PlayedEpisode::Recorder {
 public:
  Recorder(std::unique_ptr<envs::EnvBatch> env, std::shared_ptr<const FixedPolicy> policy, uint64_t seed,
           uint64_t number, int64_t bytes)
      : env_(RequireFit(std::move(env), policy.get())), level_(env_->LevelJson(0)), seed_(seed), number_(number) {
    if (policy != nullptr) record_ = std::make_unique<PolicyRecord>(std::move(policy), steps_, bytes);
    std::vector<uint8_t> observation(static_cast<size_t>(env_->num_tokens()));
    env_->Observe(observation.data());
    Add(std::move(observation), 0);
  }

  void Take(int action) {
    if (ended()) throw std::logic_error("the episode has ended");
    if (action < 0 || action >= env_->spec().num_actions)
      throw std::invalid_argument(fmt::format("action is {}; allowed: 0..{}", action, env_->spec().num_actions - 1));
    const auto taken = static_cast<uint8_t>(action);
    std::vector<uint8_t> observation(static_cast<size_t>(env_->num_tokens()));
    EpisodeStep& step = steps_.back();
    uint8_t terminated = 0, truncated = 0, episode_start = 0;
    env_->Step(&taken, {observation.data(), &step.reward, &terminated, &truncated, &episode_start});
    step.action = action;
    terminated_ = terminated != 0, truncated_ = truncated != 0;
    if (ended()) metrics_.assign(env_->EpisodeMetrics(0).begin(), env_->EpisodeMetrics(0).end());
    Add(std::move(observation), returns_.back() + static_cast<double>(step.reward));
  }

  int Choose(Chooser chooser) const {
    uint8_t action = 0;
    if (chooser == Chooser::kRandom) return Random();
    if (chooser == Chooser::kOracle) {
      env_->Oracle(&action);
      return action;
    }
    if (record_ == nullptr) throw std::logic_error("there is no policy that could choose an action");
    const Choice choice = chooser == Chooser::kSample ? Choice::kSample : Choice::kGreedy;
    ActionSampler(seed_, envs::Purpose::kEvaluate, number_)
        .Sample(record_->head().data(), 1, env_->spec().num_actions, newest(), choice, &action);
    return action;
  }

  const std::vector<LayerMemories>& MemoriesAt(int64_t step) {
    static const std::vector<LayerMemories> kNone;
    const bool is_made_of_steps = !At(step).living.empty();
    return record_ != nullptr && is_made_of_steps ? record_->MemoriesAt(step) : kNone;
  }

  double score() const {
    const auto& names = env_->spec().metric_names;
    const auto at = std::find(names.begin(), names.end(), env_->spec().score_metric) - names.begin();
    return metrics_.empty() ? 0 : static_cast<double>(metrics_[static_cast<size_t>(at)]);
  }

  const EpisodeStep& At(int64_t step) const { return steps_.at(static_cast<size_t>(step)); }
  double ReturnUntil(int64_t step) const { return returns_.at(static_cast<size_t>(step)); }
  int64_t newest() const { return static_cast<int64_t>(steps_.size()) - 1; }
  bool terminated() const { return terminated_; }
  bool truncated() const { return truncated_; }
  bool ended() const { return terminated_ || truncated_; }
  const envs::Spec& spec() const { return env_->spec(); }
  const std::string& level() const { return level_; }
  uint64_t seed() const { return seed_; }
  uint64_t number() const { return number_; }
  const std::vector<float>& metrics() const { return metrics_; }
  const PolicyRecord* record() const { return record_.get(); }

 private:
  void Add(std::vector<uint8_t> observation, double return_until) {
    EpisodeStep& step = steps_.emplace_back();
    step.observation = std::move(observation);
    step.picture = env_->MakePicture(0);
    step.is_cue = env_->IsCue(0);
    returns_.push_back(return_until);
    if (record_ != nullptr) record_->Look(step);
  }

  int Random() const {
    const auto words = envs::Philox4x32({static_cast<uint32_t>(newest()), static_cast<uint32_t>(number_),
                                         static_cast<uint32_t>(number_ >> 32), kRandomActionStream},
                                        {static_cast<uint32_t>(seed_), static_cast<uint32_t>(seed_ >> 32)});
    return static_cast<int>(uint64_t{words[0]} * static_cast<uint64_t>(env_->spec().num_actions) >> 32);
  }

  const std::unique_ptr<envs::EnvBatch> env_;
  const std::string level_;
  const uint64_t seed_, number_;
  std::deque<EpisodeStep> steps_;  // references to what it holds stay valid
  std::vector<double> returns_;
  std::vector<float> metrics_;
  bool terminated_ = false, truncated_ = false;
  std::unique_ptr<PolicyRecord> record_;  // null without a policy
};

PlayedEpisode::PlayedEpisode(std::unique_ptr<envs::EnvBatch> env, std::shared_ptr<const FixedPolicy> policy,
                             uint64_t seed, uint64_t number, int64_t bytes)
    : recorder_(std::make_unique<Recorder>(std::move(env), std::move(policy), seed, number, bytes)) {}

PlayedEpisode::~PlayedEpisode() = default;

const envs::Spec& PlayedEpisode::spec() const { return recorder_->spec(); }
const FixedPolicy* PlayedEpisode::policy() const {
  return recorder_->record() != nullptr ? &recorder_->record()->fixed() : nullptr;
}
uint64_t PlayedEpisode::seed() const { return recorder_->seed(); }
uint64_t PlayedEpisode::number() const { return recorder_->number(); }
const std::string& PlayedEpisode::level_json() const { return recorder_->level(); }
int64_t PlayedEpisode::newest() const { return recorder_->newest(); }
const EpisodeStep& PlayedEpisode::At(int64_t step) const { return recorder_->At(step); }
bool PlayedEpisode::terminated() const { return recorder_->terminated(); }
bool PlayedEpisode::truncated() const { return recorder_->truncated(); }
double PlayedEpisode::score() const { return recorder_->score(); }
std::span<const float> PlayedEpisode::metrics() const { return recorder_->metrics(); }
double PlayedEpisode::return_until(int64_t step) const { return recorder_->ReturnUntil(step); }
int PlayedEpisode::Choose(Chooser chooser) const { return recorder_->Choose(chooser); }
void PlayedEpisode::Take(int action) { recorder_->Take(action); }
const std::vector<LayerMemories>& PlayedEpisode::MemoriesAt(int64_t step) { return recorder_->MemoriesAt(step); }
int64_t PlayedEpisode::BytesPerMemory() const {
  return recorder_->record() != nullptr ? recorder_->record()->BytesPerMemory() : 0;
}

}  // namespace lethe::agents
