#include "agents/episode.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>
#include <list>
#include <stdexcept>

#include "agents/actor.h"
#include "agents/flat_parameters.h"
#include "envs/philox.h"
#include "memory/banked_transformer.h"

namespace lethe::agents {

namespace {

using torch::Tensor;

/// Sets random actions apart from levels and from draws among a policy's probabilities, which use smaller numbers.
constexpr uint32_t kRandomActionStream = 2u << 16;

/// They are searched one by one.
constexpr size_t kMostStretches = 256;

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

/// The batch. Errors: std::invalid_argument for one that the policy cannot play, or of another size than 1.
std::unique_ptr<envs::EnvBatch> RequireFit(std::unique_ptr<envs::EnvBatch> env, const FixedPolicy* policy) {
  if (env->size() != 1) throw std::invalid_argument(fmt::format("batch size is {}; allowed: 1", env->size()));
  if (policy == nullptr) return env;
  const envs::Spec& spec = env->spec();
  const PolicyOptions& wants = policy->policy->options();
  std::vector<int> vocabularies;
  for (const envs::TokenSpec& token : spec.tokens) vocabularies.push_back(token.vocabulary);
  if (vocabularies != wants.vocabularies || spec.num_actions != wants.num_actions)
    throw std::invalid_argument(
        fmt::format("the policy was made for other observations or actions than these of {}: "
                    "{} tokens and {} actions, not {} and {}, or other values of the tokens",
                    spec.family, wants.vocabularies.size(), wants.num_actions, vocabularies.size(), spec.num_actions));
  return env;
}

std::vector<float> Probabilities(const std::vector<float>& head) {
  const auto logits = std::span(head).first(head.size() - 1);
  const double max = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float x : logits) sum += std::exp(static_cast<double>(x) - max);
  std::vector<float> probabilities;
  for (const float x : logits)
    probabilities.push_back(static_cast<float>(std::exp(static_cast<double>(x) - max) / sum));
  return probabilities;
}

/// Ages beyond are never attended to, whatever the mask says.
double ReachOf(const memory::Core& core) {
  memory::Noise evaluation(0);
  const auto* banked = dynamic_cast<const memory::BankedTransformer*>(&core);
  return banked != nullptr ? banked->Constants(evaluation).window : std::numeric_limits<double>::infinity();
}

/// What `step` sees of a layer, without those columns that it does not.
LayerMemories Compact(const memory::Trace::Layer& trace, int64_t step, double reach) {
  const Tensor ages = trace.age.cpu().contiguous(), spans = trace.span.cpu().contiguous(),
               masks = trace.mask.cpu().contiguous(), weights = trace.weights.cpu().to(torch::kFloat).contiguous();
  const int64_t columns = ages.size(1);
  const auto* age = ages.const_data_ptr<int64_t>();
  const auto* mask = masks.const_data_ptr<double>();
  std::vector<int64_t> seen;
  for (int64_t i = 0; i < columns; ++i)
    if (age[i] > 0 && static_cast<double>(age[i]) <= reach && mask[i] > 0) seen.push_back(i);
  LayerMemories memories;
  memories.heads = weights.size(1);
  memories.steps.reserve(seen.size()), memories.spans.reserve(seen.size()), memories.masks.reserve(seen.size());
  memories.weights.reserve(seen.size() * static_cast<size_t>(memories.heads));
  for (const int64_t i : seen) {
    memories.steps.push_back(step - age[i]);
    memories.spans.push_back(spans.const_data_ptr<double>()[i]);
    memories.masks.push_back(mask[i]);
  }
  for (int64_t head = 0; head < memories.heads; ++head)
    for (const int64_t i : seen) memories.weights.push_back(weights.const_data_ptr<float>()[head * columns + i]);
  return memories;
}

/// What is kept of one memory that a step saw.
size_t BytesSeen(int64_t heads) {
  return sizeof(int64_t) + 2 * sizeof(double) + sizeof(float) * static_cast<size_t>(heads);
}

int64_t BytesOf(const std::vector<LayerMemories>& layers) {
  size_t bytes = layers.size() * sizeof(LayerMemories);
  for (const LayerMemories& layer : layers) bytes += layer.steps.size() * BytesSeen(layer.heads);
  return static_cast<int64_t>(bytes);
}

/// A policy's way through one episode, and what its memory saw at any step of it.
///
/// Tracing what a step sees takes two to four times as long as the step, so nothing is traced until somebody asks: then
/// the step's unroll is stepped again from the state before it. Who asks for one step after the other, either way, gets
/// the whole unroll traced; and in the live one, that of the newest step, further steps as they come. Half of the bytes
/// is for states, half for what was traced.
class PolicyRecord {
 public:
  PolicyRecord(std::shared_ptr<const FixedPolicy> fixed, const std::deque<EpisodeStep>& steps, int64_t bytes)
      : fixed_(std::move(fixed)),
        policy_(*fixed_->policy),
        steps_(steps),
        unroll_(fixed_->options->train.unroll_length),
        most_bytes_(bytes / 2),
        reach_(ReachOf(policy_.core())) {
    const auto* options = dynamic_cast<const memory::TransformerOptions*>(fixed_->options->memory.options.get());
    if (options != nullptr) heads_ = options->heads;
    state_ = policy_.core().Start(1);
    keyframes_ = {state_};
    stepper_ = Begin(state_);
  }

  const FixedPolicy& fixed() const { return *fixed_; }
  /// Logits of the newest step, then its value.
  const std::vector<float>& head() const { return head_; }

  /// Looks at the newest step of the episode, and notes there what comes of it.
  void Look(EpisodeStep& newest) {
    const int64_t step = NumSteps() - 1;
    if (step == begin_ + unroll_) NextUnroll();
    const Tensor head = Step(*stepper_, step, open_);
    head_.assign(head.const_data_ptr<float>(), head.const_data_ptr<float>() + head.numel());
    newest.probabilities = Probabilities(head_);
    newest.value = head_.back();
    for (const auto& rows : stepper_->memory().Living()) newest.living.push_back(rows[0]);
    for (const auto& rows : stepper_->memory().Spans()) newest.spans.push_back(rows[0]);
    if (open_ == nullptr) return;
    DropStretches();
    if (open_ != nullptr && open_->IsFull()) open_ = nullptr;
  }

  const std::vector<LayerMemories>& MemoriesAt(int64_t step) {
    const auto found =
        std::find_if(stretches_.begin(), stretches_.end(), [&](const Stretch& s) { return s.Contains(step); });
    if (found == stretches_.end()) {
      const bool is_next = std::abs(step - asked_) == 1;
      Trace(step, is_next ? StepsToTrace(step) : 1);
    } else {
      stretches_.splice(stretches_.begin(), stretches_, found);
    }
    asked_ = step;
    return stretches_.front().At(step);
  }

  int64_t BytesPerMemory() const {
    const memory::Core& core = policy_.core();
    if (steps_.front().living.empty()) return 0;
    const bool keeps_times = dynamic_cast<const memory::BankedTransformer*>(&core) != nullptr;
    return core.dim() * static_cast<int64_t>(sizeof(float)) + (keeps_times ? int64_t{sizeof(int64_t)} : 0);
  }

 private:
  /// What some steps of one unroll saw.
  struct Stretch {
    int64_t first = 0, most = 0;  // at most so many steps
    std::vector<std::vector<LayerMemories>> seen;
    bool Contains(int64_t step) const { return step >= first && step < end(); }
    const std::vector<LayerMemories>& At(int64_t step) const { return seen[static_cast<size_t>(step - first)]; }
    int64_t end() const { return first + static_cast<int64_t>(seen.size()); }
    bool IsFull() const { return static_cast<int64_t>(seen.size()) == most; }
  };

  int64_t NumSteps() const { return static_cast<int64_t>(steps_.size()); }
  std::unique_ptr<PolicyStepper> Begin(const memory::StatePtr& state) const {
    return std::make_unique<PolicyStepper>(policy_, state, unroll_);
  }

  /// stretch: null, or where to add what the step sees.
  Tensor Step(PolicyStepper& stepper, int64_t step, Stretch* stretch) {
    const uint8_t episode_start = step == 0;
    const uint8_t* observation = steps_[static_cast<size_t>(step)].observation.data();
    if (stretch == nullptr) return stepper.Step(observation, &episode_start);
    memory::Trace trace;
    Tensor head = stepper.Step(observation, &episode_start, &trace);
    std::vector<LayerMemories> seen;
    for (const auto& layer : trace.layers) seen.push_back(Compact(layer, step, reach_));
    stretch_bytes_ += BytesOf(seen);
    stretch->seen.push_back(std::move(seen));
    return head;
  }

  void NextUnroll() {
    state_ = stepper_->memory().Finish();
    begin_ += unroll_;
    stepper_ = Begin(state_);
    open_ = nullptr;
    if (begin_ / unroll_ % every_ != 0) return;
    keyframes_.push_back(state_);
    for (keyframe_bytes_ += state_->bytes(); keyframe_bytes_ > most_bytes_ && keyframes_.size() > 1;) DropKeyframes();
  }

  /// Every second one.
  void DropKeyframes() {
    std::vector<memory::StatePtr> kept;
    keyframe_bytes_ = 0;
    for (size_t i = 0; i < keyframes_.size(); i += 2) {
      keyframe_bytes_ += keyframes_[i]->bytes();
      kept.push_back(std::move(keyframes_[i]));
    }
    keyframes_ = std::move(kept);
    every_ *= 2;
  }

  /// The state before the unroll that begins at a step.
  memory::StatePtr StateBefore(int64_t begin) {
    if (begin == begin_) return state_;
    const int64_t keyframe = begin / unroll_ / every_;
    memory::StatePtr state = keyframes_[static_cast<size_t>(keyframe)];
    for (int64_t at = keyframe * every_ * unroll_; at < begin; at += unroll_) {
      const auto stepper = Begin(state);
      for (int64_t step = at; step < at + unroll_; ++step) Step(*stepper, step, nullptr);
      state = stepper->memory().Finish();
    }
    return state;
  }

  /// A whole unroll, or as many steps as there is room for if they see what this one sees.
  int64_t StepsToTrace(int64_t step) const {
    double living = 1;
    for (const int32_t layer : steps_[static_cast<size_t>(step)].living) living += layer;
    const double room = static_cast<double>(most_bytes_) / (living * static_cast<double>(BytesSeen(heads_)));
    return static_cast<int64_t>(std::clamp(room, 1.0, static_cast<double>(unroll_)));
  }

  /// Puts a stretch of at most so many steps, this one among them, in front.
  void Trace(int64_t step, int64_t most) {
    const int64_t begin = step / unroll_ * unroll_;
    const int64_t first = begin + (step - begin) / most * most;
    const int64_t end = std::min({first + most, begin + unroll_, NumSteps()});
    auto stepper = Begin(StateBefore(begin));
    stretches_.push_front({first, most, {}});
    Stretch& stretch = stretches_.front();
    for (int64_t at = begin; at < end; ++at) Step(*stepper, at, at < first ? nullptr : &stretch);
    if (begin == begin_ && end == NumSteps()) {  // this stepper stands where the live one does
      stepper_ = std::move(stepper);
      open_ = stretch.IsFull() ? nullptr : &stretch;
    }
    DropStretches();
  }

  /// Those that were not asked for the longest, but for the last one that was.
  void DropStretches() {
    while ((stretch_bytes_ > most_bytes_ || stretches_.size() > kMostStretches) && stretches_.size() > 1) {
      for (const auto& seen : stretches_.back().seen) stretch_bytes_ -= BytesOf(seen);
      if (open_ == &stretches_.back()) open_ = nullptr;
      stretches_.pop_back();
    }
  }

  const std::shared_ptr<const FixedPolicy> fixed_;
  const Policy& policy_;
  const std::deque<EpisodeStep>& steps_;
  const int64_t unroll_, most_bytes_;
  const double reach_;
  int64_t heads_ = 1;
  std::vector<float> head_;

  int64_t begin_ = 0;                       // of the live unroll
  memory::StatePtr state_;                  // before it
  std::unique_ptr<PolicyStepper> stepper_;  // in it

  std::vector<memory::StatePtr> keyframes_;  // before unrolls 0, every_, 2 * every_, ...
  int64_t every_ = 1, keyframe_bytes_ = 0;

  std::list<Stretch> stretches_;  // asked for last comes first
  Stretch* open_ = nullptr;       // one of them that the next step is added to; null: the next step is not traced
  int64_t stretch_bytes_ = 0;
  int64_t asked_ = -2;  // the step that was asked for last
};

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
