#include "agents/actor.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>

#include "agents/flat_parameters.h"
#include "envs/philox.h"

namespace lethe::agents {

namespace {

using Clock = std::chrono::steady_clock;

double Seconds(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

/// Sets the stream of actions apart from those of levels, which use the purpose alone.
constexpr uint32_t kActionStream = 1u << 16;

size_t MetricIndex(const envs::Spec& spec, const std::string& name) {
  const auto& names = spec.metric_names;
  return static_cast<size_t>(std::find(names.begin(), names.end(), name) - names.begin());
}

int Draw(const float* logits, int64_t n, double uniform) {
  const float max = *std::max_element(logits, logits + n);
  double sum = 0;
  for (int64_t k = 0; k < n; ++k) sum += std::exp(static_cast<double>(logits[k] - max));
  double left = uniform * sum;
  for (int64_t k = 0; k < n - 1; ++k) {
    left -= std::exp(static_cast<double>(logits[k] - max));
    if (left < 0) return static_cast<int>(k);
  }
  return static_cast<int>(n - 1);
}

}  // namespace

void ActionSampler::Sample(const float* head, int64_t rows, int64_t num_actions, int64_t step, Choice choice,
                           uint8_t* actions) const {
  const std::array<uint32_t, 2> key{static_cast<uint32_t>(seed_), static_cast<uint32_t>(seed_ >> 32)};
  const uint32_t stream = static_cast<uint32_t>(purpose_) + kActionStream;
  for (int64_t row = 0; row < rows; ++row) {
    const float* logits = head + row * (num_actions + 1);
    if (choice == Choice::kGreedy) {
      actions[row] = static_cast<uint8_t>(std::max_element(logits, logits + num_actions) - logits);
      continue;
    }
    const auto words = envs::Philox4x32({static_cast<uint32_t>(step), static_cast<uint32_t>(step >> 32),
                                         static_cast<uint32_t>(first_row_) + static_cast<uint32_t>(row), stream},
                                        key);
    const double uniform = static_cast<double>((static_cast<uint64_t>(words[0]) << 32 | words[1]) >> 11) * 0x1p-53;
    actions[row] = static_cast<uint8_t>(Draw(logits, num_actions, uniform));
  }
}

Actor::Actor(const ActorOptions& options, std::unique_ptr<envs::EnvBatch> envs, std::shared_ptr<Policy> policy)
    : options_(options),
      envs_(std::move(envs)),
      policy_(std::move(policy)),
      parameters_(std::make_unique<FlatParameters>(*policy_)),
      sampler_(options.seed, envs::Purpose::kTrain, options.first_row),
      score_metric_(MetricIndex(envs_->spec(), envs_->spec().score_metric)),
      steps_metric_(MetricIndex(envs_->spec(), "steps")) {}

Actor::~Actor() = default;

void Actor::Restore(const ActorState& state) {
  now_ = state;
  envs_->Restore(now_.envs);
  if ((now_.acts_as_oracle != 0) != OracleActs()) now_.memory = nullptr;  // a new start
}

void Actor::StartEpisodes(const ParamVersion& params) {
  const auto rows = static_cast<size_t>(envs_->size());
  now_.memory = policy_->core().Start(envs_->size());
  now_.observations.resize(rows * static_cast<size_t>(envs_->num_tokens()));
  envs_->Reset(now_.observations.data());
  now_.episode_start.assign(rows, 1);
  now_.is_last.assign(rows, 0);
  now_.curriculum.assign(rows, params.curriculum);
  now_.version.assign(rows, params.version);
  now_.acts_as_oracle = OracleActs();
}

void Actor::Advise(uint8_t* actions, uint8_t* ties) {
  if (options_.asks_scout) return envs_->Scout(actions, ties);
  envs_->Oracle(actions);
}

/// Writes the actions of a slot, the teacher's advice and, of a policy, what it thought.
void Actor::Act(int64_t slot, Rollout& r, PolicyStepper* stepper) {
  const auto first = static_cast<size_t>(slot * r.rows);
  uint8_t* actions = &r.actions[first];
  if (!r.advice.empty()) Advise(&r.advice[first], r.ties.empty() ? nullptr : &r.ties[first]);
  if (!r.explanation.empty()) envs_->Explain(&r.explanation[first * envs_->spec().explanation.size()]);
  if (stepper == nullptr) {
    std::copy_n(&r.advice[first], r.rows, actions);
    ++now_.steps;
    return;
  }
  const torch::Tensor head =
      stepper->Step(&r.observations[first * static_cast<size_t>(r.tokens)], &r.episode_start[first]);
  const int64_t size = r.rows * (r.num_actions + 1);
  const float* values = head.const_data_ptr<float>();
  std::copy(values, values + size, &r.head[static_cast<size_t>(slot * size)]);
  sampler_.Sample(values, r.rows, r.num_actions, now_.steps++, Choice::kSample, actions);
}

void Actor::RecordEpisodes(int64_t slot, Rollout& r) {
  const auto rows = static_cast<size_t>(r.rows);
  for (size_t row = 0; row < rows; ++row) {
    const size_t at = static_cast<size_t>(slot) * rows + row;
    if (r.terminated[at] == 0 && r.truncated[at] == 0) continue;
    const auto metrics = envs_->EpisodeMetrics(static_cast<int>(row));
    r.episodes.push_back({metrics[score_metric_], metrics[steps_metric_], now_.curriculum[row], now_.version[row]});
  }
}

Rollout Actor::Run(const ParamVersion& params) {
  if (params.version != loaded_version_) parameters_->Write(params.values);
  loaded_version_ = params.version;
  const bool has_curriculum = !std::isnan(params.curriculum);
  if (has_curriculum) envs_->SetCurriculum(params.curriculum);

  Rollout r;
  r.actor = options_.index;
  r.acting = options_.acting;
  r.number = number_++;
  r.version = params.version;
  r.unroll = options_.unroll;
  r.rows = envs_->size();
  r.tokens = envs_->num_tokens();
  r.num_actions = envs_->spec().num_actions;
  const auto rows = static_cast<size_t>(r.rows), slots = static_cast<size_t>(r.unroll),
             tokens = static_cast<size_t>(r.tokens);
  const size_t width = static_cast<size_t>(r.num_actions) + 1;
  r.observations.resize((slots + 1) * rows * tokens);
  r.episode_start.assign((slots + 1) * rows, 0);
  r.is_last.assign((slots + 1) * rows, 0);
  r.actions.resize(slots * rows);
  r.rewards.resize(slots * rows);
  r.terminated.resize(slots * rows);
  r.truncated.resize(slots * rows);
  r.advice.resize(options_.acting == Acting::kPolicy ? 0 : slots * rows);
  r.ties.resize(options_.asks_ties ? r.advice.size() : 0);
  r.explanation.resize(options_.asks_why ? r.advice.size() * envs_->spec().explanation.size() : 0);
  r.head.resize(OracleActs() ? 0 : slots * rows * width);

  if (now_.memory == nullptr) StartEpisodes(params);
  std::copy(now_.observations.begin(), now_.observations.end(), r.observations.begin());
  std::copy(now_.episode_start.begin(), now_.episode_start.end(), r.episode_start.begin());
  std::copy(now_.is_last.begin(), now_.is_last.end(), r.is_last.begin());
  r.memory = now_.memory;

  auto mark = Clock::now();
  std::optional<PolicyStepper> stepper;
  if (!OracleActs()) stepper.emplace(*policy_, r.memory, r.unroll);
  for (size_t t = 0; t < slots; ++t) {
    Act(static_cast<int64_t>(t), r, stepper ? &*stepper : nullptr);
    const auto acted = Clock::now();
    envs_->Step(&r.actions[t * rows],
                {&r.observations[(t + 1) * rows * tokens], &r.rewards[t * rows], &r.terminated[t * rows],
                 &r.truncated[t * rows], &r.episode_start[(t + 1) * rows]});
    for (size_t row = 0; row < rows; ++row) {
      const size_t at = t * rows + row, next = at + rows;
      r.is_last[next] = r.terminated[at] | r.truncated[at];
      r.env_steps += r.is_last[at] == 0;
      if (r.episode_start[next] != 0) now_.curriculum[row] = params.curriculum, now_.version[row] = params.version;
    }
    RecordEpisodes(static_cast<int64_t>(t), r);
    const auto stepped = Clock::now();
    r.seconds_acting += Seconds(mark, acted);
    r.seconds_envs += Seconds(acted, stepped);
    mark = stepped;
  }
  if (stepper) now_.memory = stepper->memory().Finish();
  now_.observations.assign(r.observations.end() - static_cast<std::ptrdiff_t>(rows * tokens), r.observations.end());
  now_.episode_start.assign(r.episode_start.end() - static_cast<std::ptrdiff_t>(rows), r.episode_start.end());
  now_.is_last.assign(r.is_last.end() - static_cast<std::ptrdiff_t>(rows), r.is_last.end());
  now_.envs = envs_->Save();
  r.end = now_;
  r.seconds_acting += Seconds(mark, Clock::now());
  return r;
}

void ActorLoop(Actor& actor, ParamStore& params, Queue<Rollout>& queue) {
  for (int64_t number = 0;; ++number) {
    const auto start = Clock::now();
    const auto version = params.Take(number);
    if (version == nullptr) return;
    const double waited = Seconds(start, Clock::now());
    Rollout rollout = actor.Run(*version);
    rollout.seconds_waiting = waited;
    if (!queue.Push(std::move(rollout))) return;
  }
}

}  // namespace lethe::agents
