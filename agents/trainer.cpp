#include "agents/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <deque>
#include <limits>
#include <mutex>
#include <thread>

#include "agents/actor.h"
#include "agents/flat_parameters.h"
#include "agents/noise_seed.h"
#include "agents/param_store.h"
#include "agents/queue.h"
#include "memory/check.h"

namespace lethe::agents {

namespace {

using Clock = std::chrono::steady_clock;

double Since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// Sums over a log interval.
struct Interval {
  double envs = 0, acting = 0, learning = 0, waiting = 0, score = 0, length = 0, earlier = 0, lag = 0, wall = 0;
  int64_t episodes = 0, env_steps = 0, rollouts = 0;
  memory::LivingStats living;

  void Add(const Rollout& r, int64_t version) {
    envs += r.seconds_envs, acting += r.seconds_acting, waiting += r.seconds_waiting;
    env_steps += r.env_steps;
    lag += static_cast<double>(version - r.version), ++rollouts;
    for (const Episode& e : r.episodes) {
      score += e.score, length += e.length, ++episodes;
      earlier += static_cast<double>(e.length) * (static_cast<double>(e.length) - 1) / 2;
    }
  }
  void Add(const memory::LivingStats& update) {
    living.sum.resize(update.sum.size()), living.max.resize(update.max.size());
    for (size_t l = 0; l < update.sum.size(); ++l) {
      living.sum[l] += update.sum[l];
      living.max[l] = std::max(living.max[l], update.max[l]);
    }
    living.steps += update.steps;
  }
};

}  // namespace

double FlopsPerStep(const Policy& policy, int64_t unroll, double living) {
  const memory::Flops core = policy.core().CountFlops(unroll, living);
  const double head = policy.HeadFlops();
  // Acting runs the network once, learning three times (forward, and backward for inputs and for weights); banked
  // memories need no gradient of their own.
  return 4 * (core.step + head) + 3 * core.bank;
}

class Trainer::Impl {
 public:
  Impl(const RunOptions& options, TrainerHooks hooks)
      : options_(options),
        hooks_(std::move(hooks)),
        policy_((torch::manual_seed(static_cast<uint64_t>(options.seed)), MakePolicyOptions(options))),
        pool_(static_cast<int>(std::min(options.train.learner_threads, options.train.actors))),
        spec_(MakeEnvs(options, 1, envs::Purpose::kTrain, 0)->spec()),
        hardest_(spec_.curriculum_parameter.empty() ? kNaN : spec_.curriculum_max),
        curriculum_(options.curriculum, hardest_),
        student_curriculum_(options.consolidate.curriculum, hardest_),
        phases_(ParsePhases(options.phases)) {
    policy_.to(torch::Device(options.device));
    parameters_ = std::make_unique<FlatParameters>(policy_);
    layout_ = LayoutOf(*parameters_);
    bounds_ = BoundsOf(*parameters_, policy_.core());
    sharded_ = std::make_unique<ShardedPolicy>(policy_, *parameters_, pool_);
    state_.parameters = parameters_->Read();
    state_.actors.resize(static_cast<size_t>(options.train.actors));
    state_.students.resize(state_.actors.size());
    state_.curriculum = curriculum_.progress();
    state_.student_curriculum = student_curriculum_.progress();
    price_ = MemoryPrice(options.consolidate.price);
    BeginPhase(FirstFrom(0));
  }

  void Restore(TrainerState state) {
    state_ = std::move(state);
    const bool was_done = state_.phase == Phase::kDone;
    if (was_done) {
      state_.phase = phases_.at(static_cast<size_t>(state_.phase_number));  // its last one
      SwapStudents();
    }
    parameters_->Write(state_.parameters);
    curriculum_.Restore(state_.curriculum);
    student_curriculum_.Restore(state_.student_curriculum);
    MakeOptimizer(state_.phase);
    optimizer_->mean() = state_.mean;
    optimizer_->square() = state_.square;
    optimizer_->set_updates(state_.optimizer_updates);
    price_.Restore(state_.price);
    for (size_t i = 0; i < state_.students.size(); ++i)
      if (state_.students[i] != nullptr) students_[static_cast<int>(i)] = state_.students[i];
    if (was_done && PhaseEnds())
      BeginPhase(FirstFrom(state_.phase_number + 1));  // nothing left of that phase under the present limits
  }

  void InitFrom(const std::vector<float>& values) {
    state_.parameters = values;
    parameters_->Write(values);
    if (state_.phase == Phase::kConsolidate) BeginTeaching();
  }

  bool Train() {
    started_ = Clock::now();
    seconds_before_ = state_.seconds;
    if (state_.phase == Phase::kDone) return true;
    bool reached_end = false;
    try {
      reached_end = RunActorsAndLearner();
    } catch (const memory::NotFinite&) {
      ThrowDiverged();
    }
    Checkpoint();
    return reached_end;
  }

  const TrainerState& state() const { return state_; }
  const std::vector<ParameterLayout>& layout() const { return layout_; }
  const Policy& policy() const { return policy_; }

 private:
  void MakeOptimizer(Phase phase) {
    optimizer_ = std::make_unique<Optimizer>(options_.OptimizerOf(phase), static_cast<size_t>(parameters_->size()),
                                             RateScale(*parameters_, options_.SpanRate(phase)));
  }

  /// The first phase that has steps, from a place in the list on; its size: none is left.
  int64_t FirstFrom(int64_t number) const {
    while (number < NumPhases() && options_.MaxSteps(phases_[static_cast<size_t>(number)]) == 0) ++number;
    return number;
  }
  int64_t NumPhases() const { return static_cast<int64_t>(phases_.size()); }

  /// The end keeps what the last phase left, so that a finished run goes on like one that never stopped when its limits
  /// are raised.
  void BeginPhase(int64_t number) {
    const bool was_cloning = state_.phase == Phase::kClone;
    state_.phase = number < NumPhases() ? phases_[static_cast<size_t>(number)] : Phase::kDone;
    SwapStudents();
    if (state_.phase == Phase::kDone) return;
    state_.best_student = {};
    const bool goes_on_cloning = was_cloning && state_.phase == Phase::kClone;
    state_.phase_number = number;
    state_.phase_steps = 0;
    state_.phase_first_update = state_.updates;
    MakeOptimizer(state_.phase);
    if (!goes_on_cloning) students_.clear();  // the oracle's episodes go on too
    if (state_.phase == Phase::kLearn) state_.target = {};
    if (state_.phase == Phase::kConsolidate) {
      BeginTeaching();
      student_curriculum_ = Curriculum(options_.consolidate.curriculum, hardest_);
      price_ = MemoryPrice(options_.consolidate.price);
    }
  }

  /// Consolidation leaves the best student. The one that was learning takes its place, for a run that goes on.
  void SwapStudents() {
    if (!state_.best_student.exists()) return;
    std::swap(state_.parameters, state_.best_student.parameters);
    parameters_->Write(state_.parameters);
  }

  /// The present policy becomes the teacher; its student may have to find out anew what to remember.
  void BeginTeaching() {
    if (options_.consolidate.sharpen != 1) {
      policy_.core().SharpenSpans(options_.consolidate.sharpen);
      state_.parameters = parameters_->Read();
    }
    state_.teacher = state_.parameters;
    if (options_.consolidate.initial_span == 0) return;
    policy_.core().RestartSpans(options_.consolidate.initial_span);
    state_.parameters = parameters_->Read();
  }

  bool RunActorsAndLearner() {
    StartActors();
    bool reached_end = false;
    try {
      reached_end = Loop();
    } catch (...) {
      StopActors();
      throw;
    }
    StopActors();
    if (actor_error_) SaveAndRethrow(actor_error_);
    return reached_end;
  }

  [[noreturn]] void ThrowDiverged() const {
    throw std::runtime_error(fmt::format(
        "the loss is not finite after {} environment steps (update {}); a smaller optimizer.learning_rate may help",
        state_.env_steps, state_.updates));
  }

  void StartActors() {
    const auto& t = options_.train;
    params_ = std::make_unique<ParamStore>(t.max_policy_lag);
    ahead_.assign(static_cast<size_t>(t.actors), {});
    queue_ = std::make_unique<Queue<Rollout>>(static_cast<size_t>((t.max_policy_lag + 1) * t.actors));
    const int64_t rows = t.num_envs / t.actors;
    for (int64_t i = 0; i < t.actors; ++i) {
      ActorOptions actor;
      actor.index = static_cast<int>(i);
      actor.seed = static_cast<uint64_t>(options_.seed);
      actor.first_row = static_cast<uint64_t>(i * rows);
      actor.unroll = t.unroll_length;
      actor.acting = WhoActs();
      actor.asks_scout = options_.clone.teacher == "scout";
      actor.asks_ties = options_.clone.accepts_ties;
      actor.asks_why = options_.clone.loss.explain_weight > 0;
      auto policy = std::make_shared<Policy>(policy_.options());
      policy->to(torch::Device(options_.device));
      actors_.push_back(
          std::make_unique<Actor>(actor, MakeEnvs(options_, rows, envs::Purpose::kTrain, actor.first_row), policy));
      const ActorState& from = state_.actors[static_cast<size_t>(i)];
      if (from.memory != nullptr) actors_.back()->Restore(from);
    }
    Publish();
    for (auto& actor : actors_) threads_.emplace_back([this, a = actor.get()] { RunActor(*a); });
  }

  /// The first exception closes everything and is rethrown by Train.
  void RunActor(Actor& actor) {
    try {
      ActorLoop(actor, *params_, *queue_);
    } catch (...) {
      const std::lock_guard lock(error_mutex_);
      if (!actor_error_) actor_error_ = std::current_exception();
      queue_->Close();
      params_->Close();
    }
  }

  double CurriculumValue() const {
    if (state_.phase == Phase::kConsolidate) return student_curriculum_.value();
    return state_.phase == Phase::kClone ? hardest_ : curriculum_.value();
  }

  Acting WhoActs() const {
    if (state_.phase != Phase::kClone) return Acting::kPolicy;
    return options_.clone.actor == "oracle" ? Acting::kOracle : Acting::kAdvisedPolicy;
  }

  /// What was learnt before an actor failed is good, unless the network is what failed.
  [[noreturn]] void SaveAndRethrow(const std::exception_ptr& error) {
    try {
      std::rethrow_exception(error);
    } catch (const memory::NotFinite&) {
      throw;
    } catch (...) {
      try {
        Checkpoint();
      } catch (...) {  // the first error is the one to report
      }
      throw;
    }
  }

  /// Somebody else acts from now on. What the actors ran ahead is lost.
  void ChangeActors() {
    StopActors();
    if (actor_error_) std::rethrow_exception(actor_error_);
    StartActors();
  }

  void StopActors() {
    params_->Close();
    queue_->Close();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    actors_.clear();
  }

  void Publish() {
    auto version = std::make_shared<ParamVersion>();
    const bool teaches = state_.phase == Phase::kConsolidate;
    version->version = state_.updates;
    version->values = teaches ? state_.teacher : state_.parameters;
    version->curriculum = CurriculumValue();
    params_->Publish(std::move(version));
  }

  /// The next rollout of every actor, in order of the actors. What faster actors sent ahead waits in `ahead_`, which
  /// the gate of ParamStore bounds. Empty: closed.
  std::vector<Rollout> Collect() {
    std::vector<Rollout> rollouts;
    for (std::deque<Rollout>& own : ahead_) {
      while (own.empty()) {
        auto rollout = queue_->Pop();
        if (!rollout) return {};
        ahead_[static_cast<size_t>(rollout->actor)].push_back(std::move(*rollout));
      }
      rollouts.push_back(std::move(own.front()));
      own.pop_front();
    }
    return rollouts;
  }

  int64_t PhaseMaxSteps() const { return options_.MaxSteps(state_.phase); }

  bool Loop() {
    auto interval_start = Clock::now(), live = Clock::now();
    int64_t next_checkpoint = state_.env_steps + options_.log.checkpoint_interval_steps;
    while (state_.phase != Phase::kDone) {
      const auto rollouts = Collect();
      if (rollouts.empty()) return false;
      const auto learning = Clock::now();
      Learn(rollouts);
      interval_.learning += Since(learning);
      interval_.wall = Since(interval_start);
      const bool ended = PhaseEnds();
      if (state_.updates % options_.log.interval_updates == 0 || ended) {
        Log();
        interval_start = Clock::now();
      }
      const Acting acted = WhoActs();
      if (ended) {
        BeginPhase(FirstFrom(state_.phase_number + 1));
        Checkpoint();
      } else if (state_.env_steps >= next_checkpoint) {
        Checkpoint();
        next_checkpoint = state_.env_steps + options_.log.checkpoint_interval_steps;
      }
      if (options_.log.live_seconds > 0 && Since(live) >= options_.log.live_seconds && hooks_.live) {
        hooks_.live(state_.parameters, state_.env_steps);
        live = Clock::now();
      }
      if (state_.phase == Phase::kDone) return true;
      const bool out_of_time = options_.train.max_minutes > 0 && Since(started_) > options_.train.max_minutes * 60;
      if (out_of_time || (hooks_.stop && hooks_.stop())) return false;
      if (WhoActs() == acted) {
        Publish();
        params_->Consumed();
      } else {
        ChangeActors();
      }
    }
    return true;
  }

  /// With `stretch`, a student that fails has memory for nothing until it does better.
  bool StudentPays() const { return !(options_.consolidate.stretch && state_.best_student.failed); }

  double PhaseProgress() const {
    return static_cast<double>(state_.phase_steps) / static_cast<double>(std::max<int64_t>(PhaseMaxSteps(), 1));
  }

  void Learn(const std::vector<Rollout>& rollouts) {
    const double progress = PhaseProgress();
    sharded_->SetNoise(NoiseSeed(static_cast<uint64_t>(options_.seed), static_cast<uint64_t>(state_.updates)));
    if (state_.phase == Phase::kConsolidate) {
      report_ = ConsolidationUpdate(rollouts, options_.consolidate.price, progress, *sharded_, state_.parameters,
                                    *optimizer_, price_, students_, StudentPays());
    } else if (state_.phase == Phase::kClone) {
      report_ = CloningUpdate(rollouts, options_.clone.loss, options_.loss, progress, *sharded_, state_.parameters,
                              *optimizer_, students_);
    } else {
      report_ = ActorCriticUpdate(rollouts, options_.loss, progress, *sharded_, state_.parameters, *optimizer_);
    }
    if (!std::isfinite(report_.grad_norm)) ThrowDiverged();
    Clamp(bounds_, state_.parameters);
    parameters_->Write(state_.parameters);
    for (const Rollout& r : rollouts) {
      interval_.Add(r, state_.updates);
      state_.env_steps += r.env_steps;
      state_.phase_steps += r.env_steps;
      state_.actors[static_cast<size_t>(r.actor)] = r.end;
      if (state_.phase != Phase::kLearn) continue;
      for (const Episode& e : r.episodes) {
        if (e.version < state_.phase_first_update) continue;  // somebody else, a teacher maybe, played in it
        if (curriculum_.at_hardest()) state_.target.Add(e.score, options_.train.target_episodes);
        if (options_.curriculum.start > 0) curriculum_.Add(e.score, e.curriculum);
      }
    }
    if (state_.phase == Phase::kConsolidate) AddAgreement(rollouts);
    interval_.Add(report_.living);
    ++state_.updates;
  }

  /// How well the student agreed decides over the next level, and over whether its spans have to be longer.
  void AddAgreement(const std::vector<Rollout>& rollouts) {
    state_.best_student.Add(report_.living.Mean());
    Curriculum::Window window = Curriculum::Window::kOpen;
    for (const Rollout& r : rollouts) {
      for (const Episode& e : r.episodes) {
        if (e.version < state_.phase_first_update) continue;  // begun before the teacher
        const auto now = student_curriculum_.Add(std::exp(-report_.kl_now), e.curriculum);
        if (now != Curriculum::Window::kOpen) window = now;
      }
    }
    if (window == Curriculum::Window::kOpen) return;
    const double least = std::exp(-price_.Tolerance(PhaseProgress()));
    const bool agreed = student_curriculum_.at_hardest() && student_curriculum_.last_mean() >= least;
    const bool failed = window == Curriculum::Window::kFailed && !agreed;
    state_.best_student.EndWindow(agreed, failed, state_.parameters);
    if (!failed) return;
    if (state_.best_student.exists()) {
      ReturnToBest();
    } else if (options_.consolidate.stretch) {
      Stretch();
    }
  }

  /// Gradients say nothing about a memory that is gone when it is needed, so what failed is tried again with longer
  /// spans. Multiplied, what is kept for long grows much, and what the price has brought down hardly.
  void Stretch() {
    policy_.core().StretchSpans(options_.consolidate.curriculum.factor);
    state_.parameters = parameters_->Read();
  }

  void ReturnToBest() {
    state_.parameters = state_.best_student.parameters;
    parameters_->Write(state_.parameters);
    MakeOptimizer(state_.phase);
    student_curriculum_.JumpToEnd();
  }

  bool PhaseEnds() const {
    if (state_.phase_steps >= PhaseMaxSteps()) return true;
    if (state_.phase == Phase::kLearn)
      return options_.train.target_score > 0 && curriculum_.at_hardest() &&
             state_.target.last_mean >= options_.train.target_score;
    return false;
  }

  void Log() {
    TrainingStatus s;
    s.phase = state_.phase;
    s.env_steps = state_.env_steps, s.phase_steps = state_.phase_steps, s.phase_max_steps = PhaseMaxSteps(),
    s.updates = state_.updates;
    s.seconds = seconds_before_ + Since(started_);
    const double wall = std::max(interval_.wall, 1e-9);
    s.steps_per_s = static_cast<double>(interval_.env_steps) / wall;
    const double total = interval_.envs + interval_.acting + interval_.learning + interval_.waiting;
    s.share_envs = interval_.envs / total, s.share_acting = interval_.acting / total;
    s.share_learning = interval_.learning / total, s.share_waiting = interval_.waiting / total;
    const double episodes = static_cast<double>(interval_.episodes);
    s.score = interval_.episodes > 0 ? interval_.score / episodes : kNaN;
    s.episode_length = interval_.episodes > 0 ? interval_.length / episodes : kNaN;
    s.never_forgetting = interval_.episodes > 0 ? interval_.earlier / interval_.length : kNaN;
    s.episodes = interval_.episodes;
    s.curriculum = CurriculumValue();
    s.curriculum_name = spec_.curriculum_parameter;
    s.policy_lag = interval_.lag / static_cast<double>(std::max<int64_t>(interval_.rollouts, 1));
    s.update = report_;
    s.update.living = interval_.living;
    s.gflops = FlopsPerStep(policy_, options_.train.unroll_length, interval_.living.Mean()) * s.steps_per_s / 1e9;
    interval_ = Interval{};
    if (hooks_.log) hooks_.log(s);
  }

  void Checkpoint() {
    state_.seconds = seconds_before_ + Since(started_);
    state_.mean = optimizer_->mean();
    state_.square = optimizer_->square();
    state_.optimizer_updates = optimizer_->updates();
    state_.curriculum = curriculum_.progress();
    state_.student_curriculum = student_curriculum_.progress();
    state_.price = price_.state();
    for (size_t i = 0; i < state_.students.size(); ++i) {
      const auto found = students_.find(static_cast<int>(i));
      state_.students[i] = found == students_.end() ? nullptr : found->second;
    }
    if (hooks_.checkpoint) hooks_.checkpoint(state_);
  }

  const RunOptions& options_;
  const TrainerHooks hooks_;
  Policy policy_;  // the learner's own; actors have copies
  WorkerPool pool_;
  const envs::Spec spec_;
  const double hardest_;  // value of the curriculum parameter; NaN: there is none
  Curriculum curriculum_;
  Curriculum student_curriculum_;  // while consolidating, by agreement with the teacher
  const std::vector<Phase> phases_;
  std::unique_ptr<FlatParameters> parameters_;
  std::vector<ParameterLayout> layout_;
  std::vector<BoundedStretch> bounds_;
  std::unique_ptr<ShardedPolicy> sharded_;
  std::unique_ptr<Optimizer> optimizer_;
  MemoryPrice price_{ConsolidationOptions{}};
  StudentMemory students_;
  TrainerState state_;
  UpdateReport report_;
  Interval interval_;
  Clock::time_point started_;
  double seconds_before_ = 0;

  std::unique_ptr<ParamStore> params_;
  std::unique_ptr<Queue<Rollout>> queue_;
  std::vector<std::deque<Rollout>> ahead_;  // per actor
  std::vector<std::unique_ptr<Actor>> actors_;
  std::vector<std::thread> threads_;
  std::mutex error_mutex_;
  std::exception_ptr actor_error_;  // guarded by error_mutex_ until the threads are joined
};

Trainer::Trainer(const RunOptions& options, TrainerHooks hooks)
    : impl_(std::make_unique<Impl>(options, std::move(hooks))) {}
Trainer::~Trainer() = default;
void Trainer::Restore(TrainerState state) { impl_->Restore(std::move(state)); }
void Trainer::InitFrom(const std::vector<float>& parameters) { impl_->InitFrom(parameters); }
bool Trainer::Train() { return impl_->Train(); }
const TrainerState& Trainer::state() const { return impl_->state(); }
const std::vector<ParameterLayout>& Trainer::layout() const { return impl_->layout(); }
const memory::Core& Trainer::core() const { return impl_->policy().core(); }

}  // namespace lethe::agents
