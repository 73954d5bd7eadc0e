#include "agents/sequence_trainer.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agents/evaluate.h"
#include "memory/registry.h"
#include "tests/agents/tiny_sequence.h"
#include "tests/temporary_folder.h"

namespace lethe::agents {
namespace {

using envs::sequence::Split;
using ::testing::HasSubstr;

template <class Call>
std::string ErrorOf(Call&& call) {
  try {
    call();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

// Options of a core that draw at random in training, where it has them.
std::vector<std::string> WithNoise(const std::string& core) {
  std::vector<std::string> options = {"memory.core=" + core,    "train.max_updates=24",   "curriculum.start=4",
                                      "curriculum.threshold=0", "curriculum.episodes=15", "curriculum.factor=2"};
  const auto known = memory::FindCore(core).make_options();
  CoreChoice choice;
  choice.Set(core);
  configs::Options all;
  choice.Visit(all);
  const std::string yaml = "\n" + all.ToYaml();
  if (yaml.find("\ndropout:") != std::string::npos) options.push_back("memory.dropout=0.2");
  if (yaml.find("\nlayer_drop:") != std::string::npos) options.push_back("memory.layer_drop=0.2");
  if (yaml.find("\nrandom_shortening:") != std::string::npos) options.push_back("memory.random_shortening=true");
  if (yaml.find("\nspan_limit:") != std::string::npos) options.push_back("memory.span_limit=40");
  if (known->Ramp() > 0)
    for (const char* charge : {"train.span_weight=1e-4", "train.span_target=0.5", "train.span_loss=all"})
      options.push_back(charge);
  return options;
}

class SequenceTrainerTest : public ::testing::TestWithParam<std::string> {};

TEST_P(SequenceTrainerTest, ResumedAtAnyUpdateItEndsWithTheSameWeights) {
  const auto options = MakeTinySequence(WithNoise(GetParam()));
  const tests::TemporaryFolder folder;
  SequenceTrainer whole(*options, {});
  EXPECT_TRUE(whole.Train());
  EXPECT_GE(whole.state().curriculum.value, 16) << "it has changed on the way";
  for (const int stop_at : {1, 9, 18}) {
    int updates = 0;
    SequenceHooks hooks;
    hooks.stop = [&] { return ++updates == stop_at; };
    SequenceTrainer first(*options, hooks);
    EXPECT_FALSE(first.Train());
    if (stop_at == 18 && options->memory.options->Ramp() > 0) {
      EXPECT_NE(first.state().alpha, options->train.span_weight) << "it has moved on the way";
      EXPECT_TRUE(std::isfinite(first.state().excess));
    }
    SaveSequence(folder / "checkpoint", first.state(), first.layout());
    SequenceTrainer second(*options, {});
    second.Restore(LoadSequence(configs::SafetensorsFile(folder / "checkpoint"), second.layout(), second.core()));
    EXPECT_TRUE(second.Train());
    EXPECT_EQ(second.state().parameters, whole.state().parameters) << stop_at;
    EXPECT_EQ(second.state().mean, whole.state().mean) << stop_at;
    EXPECT_EQ(second.state().stream, whole.state().stream) << stop_at;
    EXPECT_EQ(second.state().scorer, whole.state().scorer) << stop_at;
    EXPECT_EQ(second.state().curriculum.value, whole.state().curriculum.value) << stop_at;
    EXPECT_EQ(second.state().curriculum.sum, whole.state().curriculum.sum) << stop_at;
    EXPECT_EQ(second.state().curriculum.count, whole.state().curriculum.count) << stop_at;
    EXPECT_EQ(second.state().alpha, whole.state().alpha) << stop_at;
    EXPECT_TRUE(second.state().excess == whole.state().excess || std::isnan(whole.state().excess)) << stop_at;
    EXPECT_EQ(second.state().tokens, whole.state().tokens) << stop_at;
  }
}

TEST_P(SequenceTrainerTest, LogsLossScoresAndMemory) {
  const auto options = MakeTinySequence(
      {"memory.core=" + GetParam(), "train.max_updates=20", "log.interval_updates=10", "evaluate.interval_updates=20"});
  std::vector<SequenceStatus> lines;
  SequenceHooks hooks;
  hooks.log = [&](const SequenceStatus& status) { lines.push_back(status); };
  SequenceTrainer(*options, hooks).Train();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].updates, 10);
  EXPECT_EQ(lines[0].tokens, 10 * 6 * 16);
  EXPECT_TRUE(lines[0].valid.empty());
  EXPECT_EQ(lines[0].curriculum_name, "distance");
  EXPECT_EQ(lines[0].curriculum, 20) << "without a curriculum, the configured value";
  ASSERT_EQ(lines[1].valid.size(), 2u);
  EXPECT_EQ(lines[1].valid[0].name, "sequence_accuracy");
  EXPECT_GT(lines[1].loss, 0);
  EXPECT_LT(lines[1].loss, 2 * std::log(3));
  EXPECT_GT(lines[1].chars_per_s, 0);
  EXPECT_GT(lines[1].chars_per_cpu_s, 0);
  EXPECT_GT(lines[1].grad_norm, 0);
  EXPECT_GT(lines[1].saved_bytes, 0);
  EXPECT_GT(lines[1].gflops, 0);
}

TEST_P(SequenceTrainerTest, RunsInBfloat16OrSaysWhyNot) {
  try {
    const auto options = MakeTinySequence({"memory.core=" + GetParam(), "train.dtype=bfloat16", "train.max_updates=3"});
    EXPECT_TRUE(SequenceTrainer(*options, {}).Train());
  } catch (const std::invalid_argument& refusal) {
    EXPECT_TRUE(GetParam() == "gru" || GetParam() == "lstm") << refusal.what();  // torch has no kernels for these
    EXPECT_THAT(refusal.what(), HasSubstr("train.dtype = bfloat16 with memory.core = " + GetParam()));
  }
}

TEST(SequenceTrainer, TrainsBehindARecurrentFront) {
  EXPECT_TRUE(SequenceTrainer(*MakeTinySequence({"memory.front=gru", "train.max_updates=3"}), {}).Train());
  try {
    const auto options = MakeTinySequence({"memory.front=lstm", "train.dtype=bfloat16", "train.max_updates=3"});
    EXPECT_TRUE(SequenceTrainer(*options, {}).Train());
  } catch (const std::invalid_argument& refusal) {
    EXPECT_THAT(refusal.what(), HasSubstr("train.dtype = bfloat16 with memory.front = lstm"));
  }
}

INSTANTIATE_TEST_SUITE_P(Every, SequenceTrainerTest, ::testing::ValuesIn(memory::CoreNames()));

// A core with spans, two updates of learning and eight of consolidation, every one logged.
std::unique_ptr<SequenceOptions> MakeTinyConsolidation(std::vector<std::string> more = {}) {
  more.insert(more.begin(), {"memory.span_limit=40", "memory.ramp=4", "train.max_updates=2",
                             "consolidate.max_updates=8", "log.interval_updates=1"});
  return MakeTinySequence(more);
}

TEST(SequenceTrainer, ResumedInConsolidationOrBeforeItEndsWithTheSameWeights) {
  const auto options =
      MakeTinyConsolidation({"train.threads=2", "consolidate.alpha_start=1e-4", "consolidate.initial_span=0.3"});
  const tests::TemporaryFolder folder;
  SequenceTrainer whole(*options, {});
  EXPECT_TRUE(whole.Train());
  EXPECT_EQ(whole.state().updates, 10);
  for (const int stop_at : {1, 2, 3, 7}) {
    int updates = 0;
    SequenceHooks hooks;
    hooks.stop = [&] { return ++updates == stop_at; };
    SequenceTrainer first(*options, hooks);
    EXPECT_FALSE(first.Train());
    EXPECT_EQ(first.state().teacher.empty(), stop_at <= 2);
    SaveSequence(folder / "checkpoint", first.state(), first.layout());
    SequenceTrainer second(*options, {});
    second.Restore(LoadSequence(configs::SafetensorsFile(folder / "checkpoint"), second.layout(), second.core()));
    EXPECT_TRUE(second.Train());
    EXPECT_EQ(second.state().parameters, whole.state().parameters) << stop_at;
    EXPECT_EQ(second.state().teacher, whole.state().teacher) << stop_at;
    EXPECT_EQ(second.state().mean, whole.state().mean) << stop_at;
    EXPECT_EQ(second.state().alpha, whole.state().alpha) << stop_at;
    EXPECT_EQ(second.state().excess, whole.state().excess) << stop_at;
    EXPECT_EQ(second.state().taught_since, 2) << stop_at;
  }
}

TEST(SequenceTrainer, ThePhasesAreLoggedApartAndTheTrainedModelIsSaved) {
  const auto options =
      MakeTinyConsolidation({"train.max_updates=3", "log.interval_updates=5", "consolidate.optimizer.learning_rate=0",
                             "consolidate.initial_span=0.01"});
  std::vector<SequenceStatus> lines;
  std::vector<SequenceState> saved;
  SequenceHooks hooks;
  hooks.log = [&](const SequenceStatus& status) { lines.push_back(status); };
  hooks.checkpoint = [&](const SequenceState& state) { saved.push_back(state); };
  SequenceTrainer(*options, hooks).Train();
  std::vector<int64_t> updates;
  for (const auto& line : lines) updates.push_back(line.updates);
  EXPECT_THAT(updates, ::testing::ElementsAre(3, 5, 10, 11));
  EXPECT_FALSE(lines[0].consolidates);
  EXPECT_LT(lines[1].span_mean[0], 1) << "nothing of the first phase is in it";
  ASSERT_EQ(saved.size(), 2u);
  EXPECT_EQ(saved[0].updates, 3);
  EXPECT_EQ(saved[0].parameters, saved[1].teacher);
}

TEST(SequenceTrainer, WhatATeacherLearntCannotBeMadeLonger) {
  const auto options = MakeTinyConsolidation({});
  SequenceTrainer first(*options, {});
  first.Train();
  const auto longer = MakeTinyConsolidation({"train.max_updates=5"});
  SequenceTrainer second(*longer, {});
  EXPECT_THAT(ErrorOf([&] { second.Restore(first.state()); }),
              HasSubstr("train.max_updates: got 5, allowed: at most 2, since the run consolidates"));
}

// Spans start again in the copies that are computed with and in the weights that are learnt.
TEST(SequenceTrainer, ConsolidationInBfloat16RestartsSpans) {
  const auto options = MakeTinyConsolidation(
      {"train.dtype=bfloat16", "consolidate.initial_span=0.01", "consolidate.optimizer.learning_rate=0"});
  std::vector<SequenceStatus> lines;
  SequenceHooks hooks;
  hooks.log = [&](const SequenceStatus& status) { lines.push_back(status); };
  SequenceTrainer trainer(*options, hooks);
  trainer.Train();
  for (size_t i = 2; i < lines.size(); ++i) EXPECT_LT(lines[i].span_mean[0], 1) << i;
  int64_t changed = 0;
  const auto& state = trainer.state();
  for (size_t i = 0; i < state.parameters.size(); ++i) changed += state.parameters[i] != state.teacher[i];
  EXPECT_LE(changed, 2 * (16 + 1)) << "the span predictors alone";
}

// Teacher and student begin as one, so that only what the student forgets tells them apart.
TEST(SequenceTrainer, ConsolidationTurnsMemoryIntoAPriceOnDivergence) {
  const auto run = [](const std::vector<std::string>& more) {
    const auto options = MakeTinyConsolidation(more);
    std::vector<SequenceStatus> lines;
    SequenceHooks hooks;
    hooks.log = [&](const SequenceStatus& status) { lines.push_back(status); };
    SequenceTrainer(*options, hooks).Train();
    return lines;
  };
  const auto still = run({"consolidate.optimizer.learning_rate=0"});
  ASSERT_EQ(still.size(), 10u);
  EXPECT_FALSE(still[1].consolidates);
  EXPECT_TRUE(std::isnan(still[1].kl));
  EXPECT_EQ(still[1].span_weight, 0);
  for (size_t i = 2; i < still.size(); ++i) {
    EXPECT_TRUE(still[i].consolidates);
    EXPECT_EQ(still[i].max_updates, 10);
    EXPECT_NEAR(still[i].kl, 0, 1e-9) << i;
    EXPECT_GT(still[i].span_weight, still[i - 1].span_weight) << "agreement raises the price";
  }
  const auto shortened = run({"consolidate.optimizer.learning_rate=0", "consolidate.initial_span=0.01"});
  EXPECT_LT(shortened.back().living[0], 0.6 * still.back().living[0]);
  EXPECT_GT(shortened.back().kl, 1e-7);
  const auto charged = run({"consolidate.alpha_start=1", "consolidate.optimizer.learning_rate=0.1"});
  EXPECT_LT(charged.back().span_mean[0], 0.5 * charged[1].span_mean[0]);
  const auto strict = run({"consolidate.initial_span=0.01", "consolidate.tolerance=1e-9"});
  EXPECT_LT(strict.back().span_weight, strict[2].span_weight) << "divergence lowers it";
}

// The gradient with a teacher is that of the mean KL over scored labels: against a difference of it along itself.
TEST(GradientSequence, WithATeacherIsThatOfTheMeanDivergence) {
  const auto options = MakeTinySequence({"train.block=64"});
  const auto stream = OpenStream(*options, Split::kTrain);
  const auto model = MakeSequenceModel(*options, stream->spec()), teacher = MakeSequenceModel(*options, stream->spec());
  FlatParameters parameters(*model), teacher_parameters(*teacher);
  std::vector<float> start = parameters.Read();
  for (size_t i = 0; i < start.size(); ++i) start[i] += 0.1f * std::sin(static_cast<float>(i));
  WorkerPool pool(2);
  SequenceBlock block(6, 64);
  stream->Next(block.out());
  const Lesson lesson = SequenceShards(*teacher, teacher_parameters, pool, 6, 1).Teach(block);
  const auto learn = [&](const std::vector<float>& values) {
    parameters.Write(values);
    return SequenceShards(*model, parameters, pool, 6, 1).Learn(block, {}, 0, false, lesson);
  };
  const auto gradient = learn(start).gradient;
  double square = 0;
  for (const float g : gradient) square += double{g} * g;
  const double step = 1e-2 / std::sqrt(square), scored = static_cast<double>(block.NumScored());
  std::vector<float> up = start, down = start;
  for (size_t i = 0; i < start.size(); ++i) {
    up[i] += static_cast<float>(step * gradient[i]);
    down[i] -= static_cast<float>(step * gradient[i]);
  }
  EXPECT_GT(learn(start).kl, 0);
  EXPECT_NEAR((learn(up).kl - learn(down).kl) / scored / (2 * step), square, 0.01 * square);
}

// One block, one or three threads: the same answers, and gradients that differ by rounding.
TEST(SequenceShards, ThreadsShareTheRowsOfABlock) {
  const auto options = MakeTinySequence({"train.span_weight=1e-3"});
  const auto learn = [&](int threads, SequenceBlock& block) {
    const auto stream = OpenStream(*options, Split::kTrain);
    const auto model = MakeSequenceModel(*options, stream->spec());
    FlatParameters parameters(*model);
    WorkerPool pool(threads);
    SequenceShards shards(*model, parameters, pool, 6, options->memory.options->Ramp());
    BlockReport report;
    for (int i = 0; i < 4; ++i) {
      stream->Next(block.out());
      report = shards.Learn(block, {.ramp_sum = 1e-4, .span_mean = 1e-3}, 0, false);
    }
    return report;
  };
  SequenceBlock one(6, 16), three(6, 16);
  const BlockReport a = learn(1, one), b = learn(3, three);
  ASSERT_GT(one.NumScored(), 0);
  EXPECT_EQ(one.predicted, three.predicted);
  for (size_t i = 0; i < one.nats.size(); ++i) EXPECT_NEAR(one.nats[i], three.nats[i], 1e-5);
  double largest = 0;
  for (const float g : a.gradient) largest = std::max(largest, std::abs(double{g}));
  for (size_t i = 0; i < a.gradient.size(); ++i) EXPECT_NEAR(a.gradient[i], b.gradient[i], 1e-5 * largest);
}

// The gradient is that of the mean over scored labels: against a difference of the loss along itself.
TEST(GradientSequence, IsThatOfTheMeanNatsOfScoredLabels) {
  const auto options = MakeTinySequence({"train.block=64"});
  const auto stream = OpenStream(*options, Split::kTrain);
  const auto model = MakeSequenceModel(*options, stream->spec());
  FlatParameters parameters(*model);
  WorkerPool pool(2);
  SequenceBlock block(6, 64);
  stream->Next(block.out());
  const auto loss = [&](const std::vector<float>& values) {
    parameters.Write(values);
    SequenceShards shards(*model, parameters, pool, 6, 1);
    shards.Answer(block);
    double sum = 0;
    for (size_t i = 0; i < block.nats.size(); ++i) sum += block.scored[i] ? block.nats[i] : 0;
    return sum / static_cast<double>(block.NumScored());
  };
  const std::vector<float> start = parameters.Read();
  SequenceShards shards(*model, parameters, pool, 6, 1);
  const auto gradient = shards.Learn(block, {}, 0, false).gradient;
  double square = 0;
  for (const float g : gradient) square += double{g} * g;
  const double step = 1e-2 / std::sqrt(square);
  std::vector<float> up = start, down = start;
  for (size_t i = 0; i < start.size(); ++i) {
    up[i] += static_cast<float>(step * gradient[i]);
    down[i] -= static_cast<float>(step * gradient[i]);
  }
  EXPECT_NEAR((loss(up) - loss(down)) / (2 * step), square, 0.01 * square);
}

TEST(SequenceEvaluation, ScoresEveryLabelOnce) {
  const auto copy = MakeTinySequence({"evaluate.batch=7"});
  const auto stream = OpenStream(*copy, Split::kTest);
  const auto weights = FlatParameters(*MakeSequenceModel(*copy, stream->spec())).Read();
  const auto e = EvaluateSequence(*copy, weights, Split::kTest, {});
  EXPECT_EQ(e.split, "test");
  EXPECT_EQ(e.num_scored, 20 * 4);
  EXPECT_GT(e.scores[0].value, -1e-9);
  EXPECT_THROW(EvaluateSequence(*copy, weights, Split::kTest, [] { return true; }), Interrupted);
}

// Rows do not see each other, and neither do threads: a text of few bytes, many rows.
TEST(SequenceEvaluation, BitsPerByteOfAFreshModelAreNearlyThoseOfGuessing) {
  const tests::TemporaryFolder folder;
  const auto options =
      MakeSequence({"task.path=" + WriteText(folder / "text"), "memory.dim=16", "train.block=32", "evaluate.batch=5"});
  const auto weights = FlatParameters(*MakeSequenceModel(*options, OpenStream(*options, Split::kValid)->spec())).Read();
  const auto e = EvaluateSequence(*options, weights, Split::kValid, {});
  EXPECT_EQ(e.num_scored, static_cast<int64_t>(200 * 47 / 20 - 1));
  EXPECT_NEAR(e.scores[0].value, 8, 0.3);
}

TEST(SequenceOptionsTest, SpanWeightNeedsACoreThatPredictsSpans) {
  for (const std::string& core : memory::CoreNames()) {
    const double ramp = memory::FindCore(core).make_options()->Ramp();
    const auto error = ErrorOf([&] { MakeTinySequence({"memory.core=" + core, "train.span_weight=1e-6"}); });
    if (ramp > 0)
      EXPECT_EQ(error, "") << core;
    else
      EXPECT_THAT(error, HasSubstr("train.span_weight: memory.core = " + core + " predicts no spans, allowed: 0"));
  }
}

TEST(SequenceOptionsTest, YamlReadsBackToTheSameOptions) {
  const auto options = MakeTinySequence({"optimizer.schedule=cosine"});
  const std::string yaml = ToYaml(*options);
  EXPECT_EQ(ToYaml(*ReadSequenceOptions(configs::Document::FromText(yaml, "yaml"))), yaml);
}

TEST(SequenceOptionsTest, BadOptionsAreNamed) {
  EXPECT_THAT(ErrorOf([] { MakeSequence({"task.id=Copy-v1"}); }), HasSubstr("did you mean `Copy-v0`?"));
  EXPECT_THAT(ErrorOf([] { MakeSequence({"task.id=Copy-v0", "task.path=x"}); }), HasSubstr("task.path"));
  EXPECT_THAT(ErrorOf([] { MakeSequence({"task.id=Copy-v0", "memory.core=lstn"}); }), HasSubstr("memory.core"));
  EXPECT_THAT(ErrorOf([] { MakeSequence({}); }), HasSubstr("path is empty"));
  EXPECT_THAT(ErrorOf([] {
                MakeSequence({"task.id=ObjectCollision-v0", "task.train_frames=600", "curriculum.start=3"});
              }),
              HasSubstr("curriculum.start: ObjectCollision-v0 has no curriculum parameter, allowed: 0"));
  EXPECT_THAT(ErrorOf([] {
                MakeTinySequence({"memory.core=gru", "train.span_target=1"});
              }),
              HasSubstr("train.span_target: memory.core = gru predicts no spans, allowed: 0"));
  EXPECT_THAT(ErrorOf([] {
                MakeTinySequence({"memory.core=gru", "consolidate.max_updates=1"});
              }),
              HasSubstr("consolidate.max_updates: memory.core = gru predicts no spans, allowed: 0"));
  EXPECT_THAT(ErrorOf([] { MakeTinySequence({"train.max_updates=0"}); }), HasSubstr("train.max_updates: got 0"));
  EXPECT_THAT(ErrorOf([] { MakeTinySequence({"train.span_target=1"}); }),
              HasSubstr("train.span_weight: got 0, allowed: more than 0"));
  EXPECT_THAT(ErrorOf([] { MakeTinySequence({"curriculum.start=21"}); }),
              HasSubstr("curriculum.start: got 21, allowed 0 or 1..20 (task.distance)"));
}

TEST(SequenceTrainer, TheCurriculumFollowsTheScoreOfTheTraining) {
  for (const double threshold : {0.0, 1.0}) {  // every sequence counts as success, or hardly any
    const auto options = MakeTinySequence({"train.max_updates=20", "curriculum.start=4", "curriculum.episodes=15",
                                           fmt::format("curriculum.threshold={}", threshold)});
    SequenceTrainer trainer(*options, {});
    trainer.Train();
    EXPECT_EQ(trainer.state().curriculum.value, threshold == 0 ? 20 : 4);
  }
}

// What each update charged, by a run that logs every update.
std::vector<double> Charges(const std::vector<std::string>& more) {
  std::vector<std::string> all = {"train.max_updates=12", "log.interval_updates=1", "train.span_weight=1e-4"};
  all.insert(all.end(), more.begin(), more.end());
  const auto options = MakeTinySequence(all);
  std::vector<double> charges;
  SequenceHooks hooks;
  hooks.log = [&](const SequenceStatus& status) { charges.push_back(status.span_weight); };
  SequenceTrainer(*options, hooks).Train();
  return charges;
}

TEST(SequenceTrainer, AlphaRisesBelowTheTargetLossAndFallsAboveIt) {
  for (const double charge : Charges({})) EXPECT_EQ(charge, 1e-4);
  const auto rising = Charges({"train.span_target=100"}), falling = Charges({"train.span_target=1e-6"});
  for (size_t i = 1; i < rising.size(); ++i) {
    EXPECT_TRUE(rising[i] == rising[i - 1] || std::abs(rising[i] / rising[i - 1] - std::exp(0.03)) < 1e-9) << i;
    EXPECT_TRUE(falling[i] == falling[i - 1] || std::abs(falling[i] / falling[i - 1] - std::exp(-0.06)) < 1e-9) << i;
  }
  EXPECT_GT(rising.back(), 1.05e-4);
  EXPECT_LT(falling.back(), 0.9e-4);
}

TEST(SequenceTrainer, NothingIsChargedBeforeTheCurriculumIsAtItsEnd) {
  const auto charges = Charges({"curriculum.start=4", "curriculum.episodes=15", "curriculum.factor=2",
                                "curriculum.threshold=0", "train.span_target=100"});
  EXPECT_EQ(charges.front(), 0);
  EXPECT_TRUE(std::is_sorted(charges.begin(), charges.end()));
  const auto first = std::find_if(charges.begin(), charges.end(), [](double charge) { return charge > 0; });
  ASSERT_NE(first, charges.end());
  EXPECT_EQ(*first, 1e-4) << "alpha waits for the end";
}

TEST(SequenceTrainer, BoundedParametersStayInTheirBounds) {
  const auto options = MakeTinySequence({"memory.core=adaptive_span", "memory.span_loss=1", "memory.initial_ratio=0.02",
                                         "train.max_updates=10", "optimizer.learning_rate=0.1"});
  SequenceTrainer trainer(*options, {});
  trainer.Train();
  int bounded = 0;
  for (const ParameterLayout& part : trainer.layout()) {
    if (!part.name.ends_with("span_ratio")) continue;
    for (int64_t i = part.offset; i < part.offset + part.size; ++i, ++bounded)
      EXPECT_EQ(trainer.state().parameters[static_cast<size_t>(i)], 0) << part.name;
  }
  EXPECT_GT(bounded, 0);
}

TEST(SequenceTrainer, Bfloat16ResumesExactlyFromWeightsInFloat32) {
  const auto options = MakeTinySequence({"train.dtype=bfloat16", "train.max_updates=8", "train.span_weight=1e-4"});
  const tests::TemporaryFolder folder;
  SequenceTrainer whole(*options, {});
  EXPECT_TRUE(whole.Train());
  int updates = 0;
  SequenceHooks hooks;
  hooks.stop = [&] { return ++updates == 3; };
  SequenceTrainer first(*options, hooks);
  first.Train();
  SaveSequence(folder / "checkpoint", first.state(), first.layout());
  const configs::SafetensorsFile file(folder / "checkpoint");
  int remembered = 0;
  for (const auto& tensor : file.tensors()) {
    if (tensor.name.starts_with("model.")) {
      EXPECT_EQ(tensor.dtype, configs::Dtype::kF32) << tensor.name;
    }
    remembered += tensor.name.starts_with("memory") && tensor.dtype == configs::Dtype::kBF16;
  }
  EXPECT_GT(remembered, 0);
  SequenceTrainer second(*options, {});
  second.Restore(LoadSequence(file, second.layout(), second.core()));
  EXPECT_TRUE(second.Train());
  EXPECT_EQ(second.state().parameters, whole.state().parameters);
  EXPECT_EQ(second.state().mean, whole.state().mean);
}

// Steps of a millionth are far below the last bit of a weight in bfloat16, but they add up.
TEST(SequenceTrainer, Bfloat16KeepsSmallSteps) {
  const auto options =
      MakeTinySequence({"train.dtype=bfloat16", "train.max_updates=12", "optimizer.learning_rate=1e-6"});
  SequenceTrainer trainer(*options, {});
  const std::vector<float> before = trainer.state().parameters;
  trainer.Train();
  double largest = 0;
  for (size_t i = 0; i < before.size(); ++i)
    largest = std::max(largest, std::abs(double{trainer.state().parameters[i]} - before[i]));
  EXPECT_GT(largest, 5e-6);
  EXPECT_LT(largest, 2e-5);
}

// What a finished training with these options scores on test.
std::vector<NamedScore> LearntScores(const SequenceOptions& options) {
  SequenceTrainer trainer(options, {});
  trainer.Train();
  return EvaluateSequence(options, trainer.state().parameters, Split::kTest, {}).scores;
}

TEST(LearnSequence, CopyIsSolvedByRemembering) {
  const auto solved =
      MakeTinySequence({"train.max_updates=700", "memory.dim=32", "memory.heads=2", "memory.span_limit=64",
                        "memory.initial_span=0.9", "train.batch=16", "optimizer.learning_rate=3e-3"});
  const auto scores = LearntScores(*solved);
  EXPECT_GE(scores[0].value, 0.9) << "sequence accuracy; chance " << scores[0].chance;
}

// Letters by chance, each said twice: ln(4) / 2 = 0.69 nats cannot be learnt, so that a percent of the loss is no
// noise.
TEST(LearnSequence, Bfloat16LearnsAsFloat32Does) {
  const tests::TemporaryFolder folder;
  {
    std::ofstream file(folder / "text");
    uint32_t chance = 1;
    for (int i = 0; i < 20'000; ++i, chance = 1'664'525 * chance + 1'013'904'223)
      file << "acgt"[chance >> 30] << "ACGT"[chance >> 30];
  }
  std::map<std::string, double> loss;
  for (const std::string dtype : {"float32", "bfloat16"}) {
    const auto options = MakeSequence({"task.path=" + (folder / "text"), "memory.dim=16", "memory.layers=1",
                                       "memory.ffn=32", "memory.span_limit=32", "train.batch=8", "train.block=16",
                                       "train.max_updates=500", "optimizer.learning_rate=3e-3",
                                       "log.interval_updates=100", "log.live_seconds=0", "train.dtype=" + dtype});
    SequenceHooks hooks;
    hooks.log = [&](const SequenceStatus& status) { loss[dtype] = status.loss; };
    SequenceTrainer(*options, hooks).Train();
  }
  EXPECT_LT(loss["float32"], 0.8) << "it has learnt what there is";
  EXPECT_NEAR(loss["bfloat16"], loss["float32"], 0.01 * loss["float32"]);
}

TEST(LearnSequence, TextIsLearnt) {
  const tests::TemporaryFolder folder;
  const auto options =
      MakeSequence({"task.path=" + WriteText(folder / "text", 600), "memory.dim=32", "memory.span_limit=64",
                    "memory.initial_span=0.5", "train.max_updates=300", "train.block=32",
                    "optimizer.learning_rate=5e-3", "log.live_seconds=0", "train.span_weight=1e-6"});
  EXPECT_LE(LearntScores(*options)[0].value, 0.5);  // the letters alone: 4.4 bits
}

}  // namespace
}  // namespace lethe::agents
