#include "agents/policy_record.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "memory/banked_transformer.h"

namespace lethe::agents {

namespace {

using torch::Tensor;

/// They are searched one by one.
constexpr size_t kMostStretches = 256;

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
  const auto* banked = dynamic_cast<const memory::BankedTransformer*>(&core.Body());
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

}  // namespace

PolicyRecord::PolicyRecord(std::shared_ptr<const FixedPolicy> fixed, const std::deque<EpisodeStep>& steps,
                           int64_t bytes)
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

void PolicyRecord::Look(EpisodeStep& newest) {
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

const std::vector<LayerMemories>& PolicyRecord::MemoriesAt(int64_t step) {
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

int64_t PolicyRecord::BytesPerMemory() const {
  const memory::Core& core = policy_.core();
  if (steps_.front().living.empty()) return 0;
  const bool keeps_times = dynamic_cast<const memory::BankedTransformer*>(&core.Body()) != nullptr;
  return core.dim() * static_cast<int64_t>(sizeof(float)) + (keeps_times ? int64_t{sizeof(int64_t)} : 0);
}

std::unique_ptr<PolicyStepper> PolicyRecord::Begin(const memory::StatePtr& state) const {
  return std::make_unique<PolicyStepper>(policy_, state, unroll_);
}

Tensor PolicyRecord::Step(PolicyStepper& stepper, int64_t step, Stretch* stretch) {
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

void PolicyRecord::NextUnroll() {
  state_ = stepper_->memory().Finish();
  begin_ += unroll_;
  stepper_ = Begin(state_);
  open_ = nullptr;
  if (begin_ / unroll_ % every_ != 0) return;
  keyframes_.push_back(state_);
  for (keyframe_bytes_ += state_->bytes(); keyframe_bytes_ > most_bytes_ && keyframes_.size() > 1;) DropKeyframes();
}

void PolicyRecord::DropKeyframes() {
  std::vector<memory::StatePtr> kept;
  keyframe_bytes_ = 0;
  for (size_t i = 0; i < keyframes_.size(); i += 2) {
    keyframe_bytes_ += keyframes_[i]->bytes();
    kept.push_back(std::move(keyframes_[i]));
  }
  keyframes_ = std::move(kept);
  every_ *= 2;
}

memory::StatePtr PolicyRecord::StateBefore(int64_t begin) {
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

int64_t PolicyRecord::StepsToTrace(int64_t step) const {
  double living = 1;
  for (const int32_t layer : steps_[static_cast<size_t>(step)].living) living += layer;
  const double room = static_cast<double>(most_bytes_) / (living * static_cast<double>(BytesSeen(heads_)));
  return static_cast<int64_t>(std::clamp(room, 1.0, static_cast<double>(unroll_)));
}

void PolicyRecord::Trace(int64_t step, int64_t most) {
  const int64_t begin = step / unroll_ * unroll_;
  const int64_t first = begin + (step - begin) / most * most;
  const int64_t end = std::min({first + most, begin + unroll_, NumSteps()});
  auto stepper = Begin(StateBefore(begin));
  std::list<Stretch> traced = {{first, most, {}}};  // kept once it is whole
  Stretch& stretch = traced.front();
  const int64_t bytes_before = stretch_bytes_;
  try {
    for (int64_t at = begin; at < end; ++at) Step(*stepper, at, at < first ? nullptr : &stretch);
  } catch (...) {
    stretch_bytes_ = bytes_before;
    throw;
  }
  stretches_.splice(stretches_.begin(), traced);
  if (begin == begin_ && end == NumSteps()) {  // this stepper stands where the live one does
    stepper_ = std::move(stepper);
    open_ = stretch.IsFull() ? nullptr : &stretch;
  }
  DropStretches();
}

void PolicyRecord::DropStretches() {
  while ((stretch_bytes_ > most_bytes_ || stretches_.size() > kMostStretches) && stretches_.size() > 1) {
    for (const auto& seen : stretches_.back().seen) stretch_bytes_ -= BytesOf(seen);
    if (open_ == &stretches_.back()) open_ = nullptr;
    stretches_.pop_back();
  }
}

}  // namespace lethe::agents
