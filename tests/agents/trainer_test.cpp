// Training as a whole: the same run twice gives the same bits, resuming does too, and errors come out.

#include "agents/trainer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <limits>
#include <stdexcept>

#include "tests/agents/tiny_run.h"
#include "tests/temporary_folder.h"

namespace lethe::agents {
namespace {

/// Some thousand steps of everything that a checkpoint has to hold: a curriculum that moves, all phases, one of them
/// twice.
std::vector<std::string> AllPhases(const std::vector<std::string>& more = {}) {
  std::vector<std::string> all = {"train.max_steps=2500",
                                  "consolidate.max_steps=2500",
                                  "clone.max_steps=2000",
                                  "phases=clone learn consolidate learn",
                                  "consolidate.alpha_start=0.001",
                                  "curriculum.start=3",
                                  "curriculum.threshold=0",
                                  "curriculum.episodes=40",
                                  "optimizer.schedule=linear",
                                  "log.checkpoint_interval_steps=500",
                                  "consolidate.initial_span=0.1",
                                  "consolidate.curriculum.start=3",
                                  "consolidate.stretch=true",
                                  "consolidate.curriculum.threshold=0",
                                  "consolidate.curriculum.episodes=40",
                                  "consolidate.tolerance=1000"};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

/// Everything a finished run leaves, without the time it took.
void ExpectSameEnd(const TrainerState& a, const TrainerState& b) {
  EXPECT_EQ(a.parameters, b.parameters);
  EXPECT_EQ(a.teacher, b.teacher);
  EXPECT_EQ(a.mean, b.mean);
  EXPECT_EQ(a.square, b.square);
  EXPECT_EQ(a.env_steps, b.env_steps);
  EXPECT_EQ(a.updates, b.updates);
  EXPECT_EQ(a.curriculum.value, b.curriculum.value);
  EXPECT_EQ(a.student_curriculum.value, b.student_curriculum.value);
  EXPECT_EQ(a.student_curriculum.sum, b.student_curriculum.sum);
  EXPECT_EQ(a.student_curriculum.highest, b.student_curriculum.highest);
  EXPECT_EQ(a.student_curriculum.count, b.student_curriculum.count);
  EXPECT_EQ(a.best_student.parameters, b.best_student.parameters);
  EXPECT_EQ(a.best_student.living, b.best_student.living);
  EXPECT_EQ(a.best_student.failed, b.best_student.failed);
  EXPECT_EQ(a.best_student.window_living, b.best_student.window_living);
  EXPECT_EQ(a.best_student.window_updates, b.best_student.window_updates);
  EXPECT_EQ(a.price.alpha, b.price.alpha);
  EXPECT_EQ(a.price.kl, b.price.kl);
  for (size_t i = 0; i < a.actors.size(); ++i) EXPECT_EQ(a.actors[i].envs, b.actors[i].envs);
}

TEST(DeterminismTrainer, SameOptionsSameBits) {
  const auto run = MakeTinyRun(AllPhases());
  EXPECT_EQ(TrainedParameters(*run), TrainedParameters(*run));
}

TEST(DeterminismTrainer, LearnerThreadsDoNotMatter) {
  const auto one = MakeTinyRun(AllPhases({"train.learner_threads=1"}));
  const auto two = MakeTinyRun(AllPhases({"train.learner_threads=2"}));
  EXPECT_EQ(TrainedParameters(*one), TrainedParameters(*two));
}

TEST(DeterminismTrainer, AnotherSeedIsAnotherRun) {
  const auto one = MakeTinyRun({"train.max_steps=200", "seed=1"}), two = MakeTinyRun({"train.max_steps=200", "seed=2"});
  EXPECT_NE(TrainedParameters(*one), TrainedParameters(*two));
}

/// Trains through, writing the first checkpoint that is picked; then goes on from the file with a new trainer.
void ExpectResumeIsExact(const RunOptions& run, const std::function<bool(const TrainerState&)>& picks) {
  const tests::TemporaryFolder folder;
  const std::string path = folder / "picked.safetensors";
  const std::vector<ParameterLayout> layout = Trainer(run, {}).layout();
  int64_t saved_at = -1;
  TrainerHooks hooks;
  hooks.checkpoint = [&](const TrainerState& state) {
    if (saved_at >= 0 || !picks(state)) return;
    saved_at = state.env_steps;
    SaveCheckpoint(path, state, layout);
  };
  Trainer whole(run, hooks);
  EXPECT_TRUE(whole.Train());
  ASSERT_GE(saved_at, 0);
  ASSERT_LT(saved_at, whole.state().env_steps);

  Trainer resumed(run, {});
  resumed.Restore(LoadCheckpoint(configs::SafetensorsFile(path), layout, resumed.core(), whole.state().actors.size()));
  EXPECT_EQ(resumed.state().env_steps, saved_at);
  EXPECT_TRUE(resumed.Train());
  ExpectSameEnd(resumed.state(), whole.state());
}

class DeterminismWithinPhases : public testing::TestWithParam<Phase> {};

TEST_P(DeterminismWithinPhases, ResumeIsExact) {
  ExpectResumeIsExact(*MakeTinyRun(AllPhases()),
                      [](const TrainerState& s) { return s.phase == GetParam() && s.phase_steps >= 1000; });
}

INSTANTIATE_TEST_SUITE_P(Phases, DeterminismWithinPhases,
                         testing::Values(Phase::kClone, Phase::kLearn, Phase::kConsolidate));

TEST(DeterminismTrainer, ResumeWithARecurrentFrontAndTheLastActionIsExact) {
  ExpectResumeIsExact(*MakeTinyRun(AllPhases({"memory.front=lstm", "policy.last_action=true"})),
                      [](const TrainerState& s) { return s.phase == Phase::kConsolidate && s.phase_steps >= 1000; });
}

TEST(DeterminismTrainer, ResumeOfAnAdvisedPolicyIsExact) {
  ExpectResumeIsExact(*MakeTinyRun(AllPhases({"clone.actor=policy"})),
                      [](const TrainerState& s) { return s.phase == Phase::kClone && s.phase_steps >= 1000; });
}

/// Two actors of a policy that is told why and what is as good, and all that may follow: nothing outside of cloning
/// moves the explainer.
TEST(DeterminismTrainer, ResumeOfAnExplainedPolicyIsExact) {
  const auto run = MakeRun({"env.id=Instruction-Short-v0",
                            "memory.dim=16",
                            "memory.ffn=32",
                            "memory.heads=2",
                            "memory.span_limit=12",
                            "memory.ramp=4",
                            "train.num_envs=8",
                            "train.actors=2",
                            "train.unroll_length=8",
                            "log.live_seconds=0",
                            "log.checkpoint_interval_steps=1000",
                            "phases=clone learn consolidate",
                            "clone.max_steps=2500",
                            "train.max_steps=1500",
                            "consolidate.max_steps=1500",
                            "clone.teacher=scout",
                            "clone.actor=policy",
                            "clone.explain_weight=0.5",
                            "clone.accept_ties=true",
                            "policy.last_action=true"});
  ExpectResumeIsExact(*run, [](const TrainerState& s) { return s.phase == Phase::kClone && s.phase_steps >= 1000; });
  std::vector<float> after_cloning;
  TrainerHooks hooks;
  hooks.checkpoint = [&](const TrainerState& s) {
    if (s.phase == Phase::kLearn && after_cloning.empty()) after_cloning = s.parameters;
  };
  const std::vector<float> end = TrainedParameters(*run, hooks);
  ASSERT_EQ(after_cloning.size(), end.size());
  int compared = 0;
  const std::vector<ParameterLayout> layout = Trainer(*run, {}).layout();
  for (const ParameterLayout& part : layout) {
    const auto values = [&](const std::vector<float>& all) {
      return std::vector<float>(all.begin() + part.offset, all.begin() + part.offset + part.size);
    };
    if (!part.name.starts_with("explainer.")) continue;
    EXPECT_EQ(values(end), values(after_cloning)) << part.name;
    ++compared;
  }
  EXPECT_EQ(compared, 2) << "its weights and biases";
}

TEST(DeterminismTrainer, ResumeOfAPolicyThatLearnsTheScoutsOwnEpisodesIsExact) {
  const auto run = MakeRun({"env.id=Instruction-Short-v0", "memory.dim=16", "memory.ffn=32", "memory.heads=2",
                            "memory.span_limit=12", "memory.ramp=4", "train.num_envs=8", "train.actors=1",
                            "train.unroll_length=8", "log.live_seconds=0", "log.checkpoint_interval_steps=1000",
                            "phases=clone", "clone.max_steps=2500", "clone.teacher=scout", "clone.explain_weight=0.5"});
  ExpectResumeIsExact(*run, [](const TrainerState& s) { return s.phase_steps >= 1000; });
}

/// The policy that was advised goes on without advice, in the middle of its episodes.
TEST(DeterminismTrainer, ResumeAfterAdviceIsExact) {
  ExpectResumeIsExact(*MakeTinyRun(AllPhases({"clone.actor=policy"})),
                      [](const TrainerState& s) { return s.phase_number == 1 && s.phase_steps == 0; });
}

TEST(Trainer, AnAdvisedPolicyMayLagAndCloneAgain) {
  const auto run = MakeTinyRun({"train.max_steps=600", "clone.max_steps=600", "clone.actor=policy",
                                "phases=learn clone clone learn", "train.max_policy_lag=2", "train.actors=2"});
  Trainer trainer(*run, {});
  EXPECT_TRUE(trainer.Train());
  EXPECT_EQ(trainer.state().phase, Phase::kDone);
  EXPECT_GE(trainer.state().env_steps, 2400);
}

/// The checkpoint where a phase begins: the oracle or the teacher has acted last, the policy acts next.
class DeterminismBetweenPhases : public testing::TestWithParam<int64_t> {};

TEST_P(DeterminismBetweenPhases, ResumeIsExact) {
  ExpectResumeIsExact(*MakeTinyRun(AllPhases()), [](const TrainerState& s) {
    if (s.phase_number != GetParam() || s.phase_steps != 0) return false;
    EXPECT_EQ(s.actors[0].acts_as_oracle, GetParam() == 1 ? 1 : 0);
    return true;
  });
}

INSTANTIATE_TEST_SUITE_P(Phases, DeterminismBetweenPhases, testing::Values(1, 2, 3));

TEST(Trainer, PhasesFollowEachOtherAsNamed) {
  const auto run = MakeTinyRun(AllPhases({"log.interval_updates=1"}));
  std::vector<Phase> seen;
  TrainerHooks hooks;
  hooks.log = [&](const TrainingStatus& status) {
    if (seen.empty() || seen.back() != status.phase) seen.push_back(status.phase);
  };
  EXPECT_TRUE(Trainer(*run, hooks).Train());
  EXPECT_EQ(seen, ParsePhases(run->phases));
}

/// Nothing moves but what the trainer itself moves: spans start again, and grow where the student fails, here always.
TEST(Trainer, StudentsSpansStartAgainAndGrowWhereTheyAreTooShort) {
  const auto run = MakeTinyRun({"phases=consolidate", "train.max_steps=0", "consolidate.max_steps=3000",
                                "consolidate.initial_span=0.001", "consolidate.stretch=true",
                                "consolidate.curriculum.start=3", "consolidate.curriculum.threshold=2",
                                "consolidate.curriculum.episodes=20", "consolidate.curriculum.factor=1.5",
                                "consolidate.optimizer.learning_rate=0", "consolidate.tolerance=1e-9"});
  Trainer trainer(*run, {});
  const std::vector<float> first = trainer.state().parameters, teacher = trainer.state().teacher;
  EXPECT_TRUE(trainer.Train());
  EXPECT_EQ(trainer.state().teacher, teacher);
  EXPECT_EQ(trainer.state().student_curriculum.highest, 3);
  for (const ParameterLayout& part : trainer.layout()) {
    const auto at = static_cast<size_t>(part.offset);
    const double moved = trainer.state().parameters[at] - first[at];
    if (part.name.ends_with("span_bias")) {
      EXPECT_NEAR(first[at], std::log(0.001 / 0.999), 1e-5);
      const double windows = moved / std::log(1.5);
      EXPECT_GE(windows, 0.999);
      EXPECT_NEAR(windows, std::round(windows), 1e-3);
    } else {
      EXPECT_EQ(moved, 0) << part.name;
    }
  }
}

std::vector<std::string> ConsolidationOnly(const std::vector<std::string>& more) {
  std::vector<std::string> all = {"phases=consolidate",
                                  "train.max_steps=0",
                                  "consolidate.curriculum.episodes=20",
                                  "log.checkpoint_interval_steps=1",
                                  "consolidate.alpha_rate=0",
                                  "consolidate.layer_delay=0",
                                  "consolidate.alpha_start=0.1",
                                  "consolidate.optimizer.learning_rate=0.01"};
  const bool has_steps = std::any_of(more.begin(), more.end(),
                                     [](const std::string& o) { return o.starts_with("consolidate.max_steps"); });
  if (!has_steps) all.push_back("consolidate.max_steps=3000");
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

/// The student moves fast here, and away from its teacher.
TEST(Trainer, ConsolidationLeavesTheBestStudent) {
  const auto free = MakeTinyRun(ConsolidationOnly({"consolidate.tolerance=1000"}));
  std::vector<float> best;
  TrainerHooks hooks;
  hooks.checkpoint = [&](const TrainerState& state) {
    if (state.phase == Phase::kConsolidate) best = state.best_student.parameters;
  };
  // Every update but the last writes a checkpoint within the phase; the best student was found before that.
  Trainer agreeing(*free, hooks);
  EXPECT_TRUE(agreeing.Train());
  ASSERT_FALSE(best.empty()) << "whoever differs by a thousand nats agrees";
  EXPECT_EQ(agreeing.state().parameters, best);
  EXPECT_NE(agreeing.state().best_student.parameters, best) << "the one that was learning stands beside the best";

  const auto strict = MakeTinyRun(ConsolidationOnly({"consolidate.tolerance=1e-9"}));
  Trainer differing(*strict, {});
  EXPECT_TRUE(differing.Train());
  EXPECT_FALSE(differing.state().best_student.exists());
}

/// With failures, returns to the best, and memory that is free meanwhile.
std::vector<std::string> FailingStudents(const std::vector<std::string>& more = {}) {
  std::vector<std::string> all =
      ConsolidationOnly({"consolidate.tolerance=0.003", "consolidate.curriculum.threshold=0.999",
                         "consolidate.stretch=true", "consolidate.max_steps=12000"});
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

/// A student that has failed is the best one again, with a fresh optimiser.
TEST(Trainer, AStudentThatFailsGoesBackToTheBest) {
  const auto run = MakeTinyRun(FailingStudents());
  size_t returns = 0, kept = 0;
  TrainerHooks hooks;
  hooks.checkpoint = [&](const TrainerState& state) {
    const BestStudent& best = state.best_student;
    kept += best.exists() ? 1 : 0;
    if (!best.exists() || !best.failed || best.window_updates != 0) return;
    EXPECT_EQ(state.parameters, best.parameters);
    EXPECT_EQ(state.optimizer_updates, 0);
    ++returns;
  };
  Trainer trainer(*run, hooks);
  EXPECT_TRUE(trainer.Train());
  EXPECT_GE(kept, 1u);
  EXPECT_GE(returns, 1u);
}

TEST(DeterminismTrainer, ResumeAfterAFailureIsExact) {
  ExpectResumeIsExact(*MakeTinyRun(FailingStudents()),
                      [](const TrainerState& s) { return s.best_student.failed && s.best_student.exists(); });
}

/// Its end put the best student in front; who goes on is the one that was learning.
TEST(DeterminismTrainer, AFinishedConsolidationMadeLongerIsExact) {
  const auto short_run = MakeTinyRun(ConsolidationOnly({"consolidate.tolerance=1000"})),
             long_run = MakeTinyRun(ConsolidationOnly({"consolidate.tolerance=1000", "consolidate.max_steps=6000"}));
  Trainer whole(*long_run, {}), half(*short_run, {}), longer(*long_run, {});
  EXPECT_TRUE(half.Train());
  EXPECT_EQ(half.state().phase, Phase::kDone);
  longer.Restore(half.state());
  EXPECT_TRUE(longer.Train());
  EXPECT_TRUE(whole.Train());
  ExpectSameEnd(longer.state(), whole.state());
}

/// Forgetting is free of any other limit here: only the budget can stop it.
TEST(Trainer, MemoryIsChargedDownToTheBudgetAndNoFurther) {
  const auto living_at_the_end = [](const char* budget) {
    const auto run = MakeRun({"env.length_min=30",
                              "env.length_max=30",
                              "memory.dim=16",
                              "memory.ffn=32",
                              "memory.heads=2",
                              "memory.span_limit=32",
                              "memory.initial_span=0.9",
                              "memory.ramp=2",
                              "train.num_envs=8",
                              "train.unroll_length=8",
                              "train.max_steps=0",
                              "consolidate.max_steps=30000",
                              "consolidate.tolerance=1000",
                              "consolidate.layer_delay=0",
                              "consolidate.alpha_rate=0.05",
                              "consolidate.alpha_start=1e-4",
                              "consolidate.optimizer.learning_rate=1e-3",
                              "log.live_seconds=0",
                              "log.interval_updates=20",
                              std::string("consolidate.budget=") + budget});
    double living = 0;
    TrainerHooks hooks;
    hooks.log = [&](const TrainingStatus& status) { living = status.update.living.Mean(); };
    EXPECT_TRUE(Trainer(*run, hooks).Train());
    return living;
  };
  EXPECT_LT(living_at_the_end("0"), 3);
  EXPECT_NEAR(living_at_the_end("8"), 8, 2.5);
}

TEST(Trainer, StopsWhenAskedAndGoesOnLikeARunThatDidNot) {
  const auto run = MakeTinyRun(AllPhases());
  int updates = 0;
  TrainerHooks hooks;
  hooks.stop = [&] { return ++updates == 20; };
  Trainer stopped(*run, hooks);
  EXPECT_FALSE(stopped.Train());
  EXPECT_EQ(stopped.state().updates, 20);
  Trainer resumed(*run, {}), whole(*run, {});
  resumed.Restore(stopped.state());
  EXPECT_TRUE(resumed.Train());
  EXPECT_TRUE(whole.Train());
  ExpectSameEnd(resumed.state(), whole.state());
}

TEST(Trainer, LogsEveryInterval) {
  const auto run = MakeTinyRun({"train.max_steps=2000", "log.interval_updates=10"});
  std::vector<TrainingStatus> lines;
  TrainerHooks hooks;
  hooks.log = [&](const TrainingStatus& status) { lines.push_back(status); };
  Trainer trainer(*run, hooks);
  EXPECT_TRUE(trainer.Train());
  ASSERT_GE(lines.size(), 3u);
  EXPECT_EQ(lines.front().updates, 10);
  EXPECT_EQ(lines.back().env_steps, trainer.state().env_steps);
  EXPECT_GT(lines.back().steps_per_s, 0);
  EXPECT_EQ(lines.back().policy_lag, 0) << "A2C acts with the newest parameters";
  EXPECT_NEAR(lines.back().update.ratio_mean, 1, 1e-4);
  const TrainingStatus& s = lines.front();
  EXPECT_NEAR(s.share_envs + s.share_acting + s.share_learning + s.share_waiting, 1, 1e-9);
}

TEST(ThreadsTrainer, TheLagOfImpalaIsBounded) {
  const auto run = MakeTinyRun({"train.max_steps=4000", "train.max_policy_lag=2", "log.interval_updates=1"});
  double worst = 0;
  TrainerHooks hooks;
  hooks.log = [&](const TrainingStatus& status) { worst = std::max(worst, status.policy_lag); };
  Trainer trainer(*run, hooks);
  EXPECT_TRUE(trainer.Train());
  EXPECT_LE(worst, 2);
}

/// The teacher may run ahead with several rollouts of one actor in one update; the student replays them in order.
TEST(ThreadsTrainer, ConsolidationRunsWithPolicyLag) {
  const auto run = MakeTinyRun(AllPhases({"train.max_policy_lag=2"}));
  Trainer trainer(*run, {});
  EXPECT_TRUE(trainer.Train());
  EXPECT_EQ(trainer.state().phase, Phase::kDone);
}

/// Corridors whose second actor's environments break after some steps.
class FaultyBatch final : public envs::EnvBatch {
 public:
  FaultyBatch(std::unique_ptr<envs::EnvBatch> inner, bool is_faulty)
      : inner_(std::move(inner)), is_faulty_(is_faulty) {}
  void StepRows(int first, int end, const uint8_t* actions, const envs::StepOutput& out) override {
    if (is_faulty_ && ++steps_ == 50) throw std::runtime_error("the door is stuck");
    inner_->StepRows(first, end, actions, out);
  }
  void CheckActions(const uint8_t* actions) const override { inner_->CheckActions(actions); }
  void Restart(int row, uint8_t* observation) override { inner_->Restart(row, observation); }
  void Memoryless(const uint8_t* observations, envs::Stream& random, uint8_t* actions) const override {
    inner_->Memoryless(observations, random, actions);
  }
  envs::Picture MakePicture(int row) const override { return inner_->MakePicture(row); }
  const envs::Spec& spec() const override { return inner_->spec(); }
  int size() const override { return inner_->size(); }
  void Reset(uint8_t* observations) override { inner_->Reset(observations); }
  void Observe(uint8_t* observations) const override { inner_->Observe(observations); }
  std::span<const float> EpisodeMetrics(int row) const override { return inner_->EpisodeMetrics(row); }
  void SetCurriculum(double value) override { inner_->SetCurriculum(value); }
  std::vector<std::byte> Save() const override { return inner_->Save(); }
  void Restore(std::span<const std::byte> bytes) override { inner_->Restore(bytes); }
  std::string Text(int row) const override { return inner_->Text(row); }
  std::string LevelJson(int row) const override { return inner_->LevelJson(row); }
  void LoadLevel(int row, const std::string& level) override { inner_->LoadLevel(row, level); }
  void Oracle(uint8_t* actions) const override { inner_->Oracle(actions); }
  bool IsCue(int row) const override { return inner_->IsCue(row); }
  void Cues(uint8_t* is_cue) const override { inner_->Cues(is_cue); }

 private:
  const std::unique_ptr<envs::EnvBatch> inner_;
  const bool is_faulty_;
  int steps_ = 0;
};

void RegisterFaulty() {
  envs::Entry entry = envs::Find("Corridor-v0");
  entry.id = "Faulty-v0";
  entry.make_batch = [make = entry.make_batch](const envs::Params& params, const envs::BatchOptions& options) {
    return std::make_unique<FaultyBatch>(make(params, options), options.first_index > 0);
  };
  envs::Add(entry);
}

/// The message of the error that Train throws, which must come within a second.
std::string ErrorOf(Trainer& trainer) {
  const auto start = std::chrono::steady_clock::now();
  try {
    trainer.Train();
  } catch (const std::exception& error) {
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
    return error.what();
  }
  return "";
}

TEST(ThreadsTrainer, AnActorsErrorEndsTraining) {
  RegisterFaulty();
  for (const char* lag : {"train.max_policy_lag=0", "train.max_policy_lag=3"}) {
    const auto run = MakeTinyRun({"env.id=Faulty-v0", "train.max_steps=20000", lag});
    const tests::TemporaryFolder folder;
    const std::string path = folder / "last.safetensors";
    TrainerHooks hooks;
    const Trainer* saved_by = nullptr;
    hooks.checkpoint = [&](const TrainerState& state) { SaveCheckpoint(path, state, saved_by->layout()); };
    Trainer trainer(*run, hooks);
    saved_by = &trainer;
    EXPECT_EQ(ErrorOf(trainer), "the door is stuck");
    const TrainerState last =
        LoadCheckpoint(configs::SafetensorsFile(path), trainer.layout(), trainer.core(), trainer.state().actors.size());
    EXPECT_EQ(last.parameters, trainer.state().parameters);
    EXPECT_GT(last.updates, 0);
  }
}

TEST(ThreadsTrainer, AHooksErrorEndsTraining) {
  const auto run = MakeTinyRun({"train.max_steps=2000", "log.checkpoint_interval_steps=300"});
  TrainerHooks hooks;
  hooks.checkpoint = [](const TrainerState&) { throw std::runtime_error("the disk is full"); };
  Trainer trainer(*run, hooks);
  EXPECT_EQ(ErrorOf(trainer), "the disk is full");
}

TEST(Trainer, ALossThatIsNotFiniteEndsTraining) {
  const auto run = MakeTinyRun({"train.max_steps=2000"});
  Trainer trainer(*run, {});
  std::vector<float> broken = trainer.state().parameters;
  for (const ParameterLayout& part : trainer.layout())
    if (part.name == "head_bias")
      broken[static_cast<size_t>(part.offset + part.size - 1)] = std::numeric_limits<float>::infinity();
  trainer.InitFrom(broken);
  EXPECT_NE(ErrorOf(trainer).find("not finite"), std::string::npos);
}

}  // namespace
}  // namespace lethe::agents
