#include "agents/sequence_trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <limits>
#include <stdexcept>

#include "agents/evaluate.h"
#include "agents/noise_seed.h"
#include "agents/price_control.h"
#include "envs/sequence/scorer.h"
#include "memory/check.h"

namespace lethe::agents {

namespace {

using envs::sequence::Split;
using Clock = std::chrono::steady_clock;

double Since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// CPU time of all threads.
double CpuSeconds() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// NaN without a curriculum parameter.
double HardestOf(const envs::sequence::SequenceSpec& spec) {
  return spec.curriculum_parameter.empty() ? kNaN : spec.curriculum_max;
}

/// The price of memory while learning, which follows the loss, and while consolidating, which follows the teacher.
PriceControl LearningPrice(const SequenceOptions::Train& train) {
  return {{.rate = train.span_weight_rate}, train.span_weight, kNaN};
}
PriceControl ConsolidationPrice(const SequenceOptions::Consolidate& consolidate) {
  return {{.rate = consolidate.alpha_rate}, consolidate.alpha_start, 0};
}

double Mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

}  // namespace

class SequenceTrainer::Impl {
 public:
  Impl(const SequenceOptions& options, SequenceHooks hooks)
      : options_(options),
        hooks_(std::move(hooks)),
        ramp_(options.memory.options->Ramp()),
        stream_(OpenStream(options, Split::kTrain)),
        model_(MakeSequenceModel(options, stream_->spec())),
        parameters_(*model_),
        layout_(LayoutOf(parameters_)),
        bounds_(BoundsOf(parameters_, model_->core())),
        pool_(static_cast<int>(options.train.threads)),
        block_(options.train.batch, options.train.block),
        shards_(*model_, parameters_, pool_, block_.rows, ramp_),
        scorer_(stream_->spec(), static_cast<int>(block_.rows)),
        curriculum_(options.curriculum, HardestOf(stream_->spec())),
        price_(LearningPrice(options.train)) {
    MakeOptimizer(options_.optimizer, options_.train.span_rate);
    for (const Split split : {Split::kValid, Split::kTest})
      OpenStream(options, split);  // a bad one is better known now
    state_.parameters = parameters_.Read();
    if (HasCurriculum()) stream_->SetCurriculum(curriculum_.value());
    ClearInterval();
  }

  void Restore(SequenceState state) {
    stream_->Restore(state.stream);
    scorer_.Restore(state.scorer);
    curriculum_.Restore(state.curriculum);
    state_ = std::move(state);
    if (Consolidates() && options_.train.max_updates > state_.taught_since)
      throw std::invalid_argument(fmt::format(
          "train.max_updates: got {}, allowed: at most {}, since the run consolidates what it had learnt by "
          "then; consolidate.max_updates makes it longer",
          options_.train.max_updates, state_.taught_since));
    if (Consolidates()) {
      teacher_ = std::make_unique<Teacher>(*this);
      teacher_->shards.Restore(state_.teacher_memories);
      MakeOptimizer(options_.consolidate.optimizer, options_.consolidate.span_rate);
      price_ = ConsolidationPrice(options_.consolidate);
    }
    price_.Restore(state_.alpha, state_.excess);
    shards_.Restore(state_.memories);
    parameters_.Write(state_.parameters);
    optimizer_->mean() = state_.mean;
    optimizer_->square() = state_.square;
    optimizer_->set_updates(state_.optimizer_updates);
  }

  void InitFrom(const std::vector<float>& values) {
    state_.parameters = values;
    parameters_.Write(values);
  }

  bool Train() {
    started_ = live_ = Clock::now();
    seconds_before_ = state_.seconds;
    bool goes_on = true;
    while (goes_on && !IsDone()) {
      if (!Consolidates() && state_.updates >= options_.train.max_updates) BeginConsolidation();
      goes_on = Step();
    }
    Checkpoint();
    return IsDone();
  }

  const SequenceState& state() const { return state_; }
  const std::vector<ParameterLayout>& layout() const { return layout_; }
  const SequenceModel& model() const { return *model_; }

 private:
  /// The model as it was when consolidation began. It remembers nothing yet.
  struct Teacher {
    explicit Teacher(Impl& trainer)
        : model(MakeSequenceModel(trainer.options_, trainer.stream_->spec())),
          parameters(*model),
          shards(*model, parameters, trainer.pool_, trainer.block_.rows, trainer.ramp_) {
      parameters.Write(trainer.state_.teacher);
    }
    const std::shared_ptr<SequenceModel> model;
    FlatParameters parameters;
    SequenceShards shards;
  };

  bool Consolidates() const { return !state_.teacher.empty(); }
  /// Updates at which the present phase began, and that it lasts.
  int64_t PhaseStart() const { return Consolidates() ? state_.taught_since : 0; }
  int64_t PhaseUpdates() const {
    return Consolidates() ? options_.consolidate.max_updates : options_.train.max_updates;
  }
  bool IsDone() const {
    if (!Consolidates() && options_.consolidate.max_updates > 0) return false;
    return state_.updates - PhaseStart() >= PhaseUpdates();
  }

  void MakeOptimizer(const OptimizerOptions& options, double span_rate) {
    optimizer_ = std::make_unique<Optimizer>(options, static_cast<size_t>(parameters_.size()),
                                             RateScale(parameters_, span_rate));
  }

  /// The model becomes the teacher of one that starts from its weights and with its memory.
  void BeginConsolidation() {
    state_.teacher = state_.parameters;
    state_.taught_since = state_.updates;
    teacher_ = std::make_unique<Teacher>(*this);
    teacher_->shards.Restore(shards_.memories());
    if (options_.consolidate.initial_span > 0) {
      model_->core().RestartSpans(options_.consolidate.initial_span);
      parameters_.TakeFromModule();
      state_.parameters = parameters_.Read();
    }
    MakeOptimizer(options_.consolidate.optimizer, options_.consolidate.span_rate);
    price_ = ConsolidationPrice(options_.consolidate);
  }

  /// Sums over a log interval, evaluations left out.
  struct Interval {
    double wall = 0, cpu = 0;
    int64_t tokens = 0;
    MemoryTally memory, teacher_memory;
  };

  /// One update and what is due behind it. False: it is time to stop.
  bool Step() {
    Update();
    const bool is_last = IsDone(), ends_phase = state_.updates - PhaseStart() >= PhaseUpdates();
    const auto due = [&](int64_t interval) { return interval > 0 && state_.updates % interval == 0; };
    const bool evaluates = due(options_.evaluate.interval_updates);
    const bool goes_on = !evaluates || Evaluate();
    if (evaluates || ends_phase || due(options_.log.interval_updates)) Log();
    if (!is_last && (ends_phase || due(options_.log.checkpoint_interval_updates))) Checkpoint();
    if (options_.log.live_seconds > 0 && Since(live_) >= options_.log.live_seconds && hooks_.live) {
      hooks_.live(state_.parameters, state_.updates);
      live_ = Clock::now();
    }
    const bool out_of_time = options_.train.max_minutes > 0 && Since(started_) > options_.train.max_minutes * 60;
    return goes_on && !out_of_time && !(hooks_.stop && hooks_.stop());
  }

  /// Alpha of the next update. What easy samples do not need, hard ones may: nothing is charged before the curriculum
  /// is at its end. Then rows first finish the samples that they are in.
  double Alpha() const { return curriculum_.at_hardest() ? price_.price() : 0; }

  SpanCharge Charge() const {
    const auto& t = options_.train;
    const double alpha = Alpha();
    if (Consolidates()) return {.ramp_sum = 0, .span_mean = alpha * ramp_};  // as ConsolidationUpdate charges agents
    if (t.span_loss == "all") return {.ramp_sum = 0, .span_mean = alpha};
    const double rows = static_cast<double>(t.batch), block = static_cast<double>(t.block);
    return {.ramp_sum = alpha > 0 ? alpha / (ramp_ * block * rows) : 0, .span_mean = 0};
  }

  /// Alpha follows the loss of the block or the divergence from the teacher, once the curriculum is at its end.
  void UpdatePrice(const BlockReport& report) {
    const int64_t num_scored = block_.NumScored();
    if (Consolidates()) {
      if (num_scored > 0 && curriculum_.at_hardest())
        price_.Update(report.kl / static_cast<double>(num_scored), options_.consolidate.tolerance);
      return;
    }
    if (options_.train.span_target == 0) return;
    if (!curriculum_.at_hardest()) return price_.Restore(price_.price(), kNaN);
    if (num_scored == 0) return;
    const double loss = block_.SumNats() / static_cast<double>(num_scored);
    price_.Update(loss - options_.train.span_target, options_.train.span_tolerance);
  }

  void ClearInterval() {
    interval_ = Interval();
    interval_.memory = MemoryTally(ramp_);
  }

  bool IsLogged(int64_t update) const {
    return update % options_.log.interval_updates == 0 || update - PhaseStart() >= PhaseUpdates();
  }

  void Update() {
    const auto begin = Clock::now();
    const double cpu = CpuSeconds();
    stream_->Next(block_.out());
    const auto noise = NoiseSeed(static_cast<uint64_t>(options_.seed), static_cast<uint64_t>(state_.updates));
    span_weight_ = Alpha();
    const BlockReport report = Learn(noise);
    Apply(report);
    UpdatePrice(report);
    Score();
    interval_.memory.Add(report.memory);
    if (Consolidates()) interval_.teacher_memory.Add(report.teacher_memory);
    interval_.tokens += block_.rows * block_.steps;
    interval_.wall += Since(begin);
    interval_.cpu += CpuSeconds() - cpu;
    saved_bytes_ = report.saved_bytes;
    state_.tokens += block_.rows * block_.steps;
    ++state_.updates;
  }

  bool HasCurriculum() const { return options_.curriculum.start > 0; }

  /// What the block's answers say about the task, and whether the next samples may be harder.
  void Score() {
    const double begun_at = HasCurriculum() ? curriculum_.value() : 0;
    const auto completed =
        scorer_.Add(block_.steps, block_.out(), block_.nats.data(), block_.predicted.data(), begun_at);
    if (!HasCurriculum()) return;
    for (const auto& sequence : completed) curriculum_.Add(sequence.right ? 1 : 0, sequence.curriculum);
    stream_->SetCurriculum(curriculum_.value());
  }

  BlockReport Learn(uint64_t noise) {
    try {
      const Lesson lesson = Consolidates() ? teacher_->shards.Teach(block_) : Lesson();
      return shards_.Learn(block_, Charge(), noise, IsLogged(state_.updates + 1), lesson);
    } catch (const memory::NotFinite&) {
      ThrowDiverged();
    }
  }

  [[noreturn]] void ThrowDiverged() const {
    throw std::runtime_error(
        fmt::format("the loss is not finite after {} updates; a smaller {}optimizer.learning_rate may help",
                    state_.updates, Consolidates() ? "consolidate." : ""));
  }

  void Apply(const BlockReport& report) {
    const double progress = static_cast<double>(state_.updates - PhaseStart()) / static_cast<double>(PhaseUpdates());
    learning_rate_ = optimizer_->rate(progress);
    grad_norm_ = optimizer_->Step(state_.parameters, report.gradient, progress);
    if (!std::isfinite(grad_norm_)) ThrowDiverged();
    Clamp(bounds_, state_.parameters);
    parameters_.Write(state_.parameters);
  }

  /// False: interrupted.
  bool Evaluate() {
    try {
      valid_ = EvaluateSequence(options_, *model_, parameters_, pool_, Split::kValid, options_.evaluate.valid_blocks,
                                hooks_.stop)
                   .scores;
      return true;
    } catch (const Interrupted&) {
      return false;
    }
  }

  std::vector<NamedScore> Scores() const {
    std::vector<NamedScore> scores;
    const auto values = scorer_.Values();
    for (size_t i = 0; i < values.size(); ++i)
      scores.push_back({stream_->spec().scores[i].name, values[i], stream_->spec().scores[i].chance});
    return scores;
  }

  /// The network runs once forward and twice backward, a teacher forward; banked memories need no gradient of their
  /// own.
  double FlopsPerToken() const {
    const auto count = [&](const MemoryTally& memory, double step_passes, double bank_passes) {
      const memory::Flops core = model_->core().CountFlops(block_.steps, Mean(memory.living()));
      const double head = 2 * static_cast<double>(model_->core().dim() * stream_->spec().num_labels);
      return step_passes * (core.step + head) + bank_passes * core.bank;
    };
    return count(interval_.memory, 3, 2) + (Consolidates() ? count(interval_.teacher_memory, 1, 1) : 0);
  }

  void Log() {
    SequenceStatus s;
    s.consolidates = Consolidates();
    s.updates = state_.updates, s.tokens = state_.tokens;
    s.max_updates = PhaseStart() + PhaseUpdates() + (Consolidates() ? 0 : options_.consolidate.max_updates);
    s.seconds = seconds_before_ + Since(started_);
    const auto tokens = static_cast<double>(interval_.tokens);
    s.chars_per_s = tokens / std::max(interval_.wall, 1e-9);
    s.chars_per_cpu_s = tokens / std::max(interval_.cpu, 1e-9);
    s.loss = scorer_.mean_nats();
    s.kl = Consolidates() ? price_.cost() : kNaN;
    s.scores = Scores();
    s.curriculum = curriculum_.value();
    s.curriculum_name = stream_->spec().curriculum_parameter;
    s.valid = std::exchange(valid_, {});
    const MemoryTally& memory = interval_.memory;
    s.living = memory.living(), s.living_max = memory.living_max(), s.resident = memory.resident(),
    s.span_mean = memory.span_mean();
    s.paper_memory_size = memory.paper_memory_size();
    s.memory_bytes = memory.bytes() * static_cast<double>(block_.rows);
    s.span_sample = memory.span_sample();
    s.saved_bytes = saved_bytes_;
    s.grad_norm = grad_norm_, s.learning_rate = learning_rate_, s.span_weight = span_weight_;
    s.gflops = FlopsPerToken() * s.chars_per_s / 1e9;
    scorer_.Clear();
    ClearInterval();
    if (hooks_.log) hooks_.log(s);
  }

  void Checkpoint() {
    state_.seconds = seconds_before_ + Since(started_);
    state_.mean = optimizer_->mean();
    state_.square = optimizer_->square();
    state_.optimizer_updates = optimizer_->updates();
    state_.curriculum = curriculum_.progress();
    state_.alpha = price_.price(), state_.excess = price_.cost();
    state_.stream = stream_->Save();
    state_.scorer = scorer_.Save();
    state_.memories = shards_.memories();
    if (Consolidates()) state_.teacher_memories = teacher_->shards.memories();
    if (hooks_.checkpoint) hooks_.checkpoint(state_);
  }

  const SequenceOptions& options_;
  const SequenceHooks hooks_;
  const double ramp_;
  const std::unique_ptr<envs::sequence::SequenceStream> stream_;
  const std::shared_ptr<SequenceModel> model_;
  FlatParameters parameters_;
  const std::vector<ParameterLayout> layout_;
  const std::vector<BoundedStretch> bounds_;
  WorkerPool pool_;
  SequenceBlock block_;
  SequenceShards shards_;
  envs::sequence::Scorer scorer_;
  Curriculum curriculum_;
  PriceControl price_;  // the cost is the loss above train.span_target, or the divergence from the teacher
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<Teacher> teacher_;  // while consolidating
  SequenceState state_;
  Interval interval_;
  std::vector<NamedScore> valid_;
  double grad_norm_ = 0, learning_rate_ = 0, span_weight_ = 0, seconds_before_ = 0;
  int64_t saved_bytes_ = 0;
  Clock::time_point started_, live_;
};

SequenceTrainer::SequenceTrainer(const SequenceOptions& options, SequenceHooks hooks)
    : impl_(std::make_unique<Impl>(options, std::move(hooks))) {}
SequenceTrainer::~SequenceTrainer() = default;
void SequenceTrainer::Restore(SequenceState state) { impl_->Restore(std::move(state)); }
void SequenceTrainer::InitFrom(const std::vector<float>& parameters) { impl_->InitFrom(parameters); }
bool SequenceTrainer::Train() { return impl_->Train(); }
const SequenceState& SequenceTrainer::state() const { return impl_->state(); }
const std::vector<ParameterLayout>& SequenceTrainer::layout() const { return impl_->layout(); }
const memory::Core& SequenceTrainer::core() const { return impl_->model().core(); }

}  // namespace lethe::agents
