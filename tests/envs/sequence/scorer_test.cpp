#include "envs/sequence/scorer.h"

#include <cmath>

#include <gtest/gtest.h>

namespace lethe::envs::sequence {
namespace {

SequenceSpec Spec() {
  SequenceSpec spec;
  spec.labels_per_sequence = 2;
  spec.scores = {{"bits", Measure::kBitsPerLabel},
                 {"accuracy", Measure::kAccuracy},
                 {"error", Measure::kError},
                 {"sequences", Measure::kSequenceAccuracy}};
  return spec;
}

struct Answers {
  std::vector<uint8_t> labels, scored, predicted;
  std::vector<float> nats;
  std::vector<uint8_t> episode_start = std::vector<uint8_t>(labels.size());

  std::vector<CompletedSequence> AddTo(Scorer& scorer, int rows, double curriculum = 0) {
    std::vector<uint8_t> tokens(labels.size());
    const TokenBlock block{tokens.data(), labels.data(), scored.data(), episode_start.data()};
    return scorer.Add(static_cast<int64_t>(labels.size()) / rows, block, nats.data(), predicted.data(), curriculum);
  }
};

TEST(Scorer, CountsScoredLabelsAlone) {
  Scorer scorer(Spec(), 1);
  Answers{.labels = {1, 2, 1, 2}, .scored = {1, 0, 1, 1}, .predicted = {1, 2, 2, 2}, .nats = {1, 100, 2, 3}}.AddTo(
      scorer, 1);
  EXPECT_EQ(scorer.num_scored(), 3);
  EXPECT_DOUBLE_EQ(scorer.mean_nats(), 2);
  const auto values = scorer.Values();
  EXPECT_DOUBLE_EQ(values[0], 2 / std::log(2));
  EXPECT_DOUBLE_EQ(values[1], 2.0 / 3);
  EXPECT_DOUBLE_EQ(values[2], 1 - 2.0 / 3);
}

TEST(Scorer, SequencesGoOnFromBlockToBlockInEveryRow) {
  Scorer scorer(Spec(), 2);
  Answers{.labels = {1, 1}, .scored = {1, 1}, .predicted = {1, 2}, .nats = {0, 0}}.AddTo(scorer, 2);
  EXPECT_TRUE(std::isnan(scorer.Values()[3]));
  Answers{.labels = {1, 1}, .scored = {1, 1}, .predicted = {1, 1}, .nats = {0, 0}}.AddTo(scorer, 2);
  EXPECT_EQ(scorer.Values()[3], 0.5);
}

TEST(Scorer, ClearKeepsTheSequenceThatIsUnderWay) {
  Scorer scorer(Spec(), 1);
  Answers{.labels = {1}, .scored = {1}, .predicted = {2}, .nats = {0}}.AddTo(scorer, 1);
  scorer.Clear();
  Answers{.labels = {1}, .scored = {1}, .predicted = {1}, .nats = {0}}.AddTo(scorer, 1);
  EXPECT_EQ(scorer.Values()[1], 1);
  EXPECT_EQ(scorer.Values()[3], 0);
}

TEST(Scorer, ASequenceWithoutItsBeginningDoesNotCount) {
  Scorer scorer(Spec(), 1);
  Answers{
      .labels = {1, 1, 1}, .scored = {1, 1, 1}, .predicted = {2, 1, 1}, .nats = {0, 0, 0}, .episode_start = {0, 1, 0}}
      .AddTo(scorer, 1);
  EXPECT_EQ(scorer.Values()[3], 1);
}

TEST(Scorer, TellsWhichSequencesEndedAndOfWhichCurriculum) {
  Scorer scorer(Spec(), 1);
  const Answers half{.labels = {1}, .scored = {1}, .predicted = {2}, .nats = {0}, .episode_start = {1}};
  EXPECT_TRUE(Answers(half).AddTo(scorer, 1, 5).empty());
  Scorer restored(Spec(), 1);
  restored.Restore(scorer.Save());
  Answers rest{
      .labels = {1, 1, 1}, .scored = {1, 1, 1}, .predicted = {1, 1, 1}, .nats = {0, 0, 0}, .episode_start = {0, 1, 0}};
  for (Scorer* each : {&scorer, &restored}) {
    const auto completed = rest.AddTo(*each, 1, 7);
    ASSERT_EQ(completed.size(), 2u);
    EXPECT_FALSE(completed[0].right);
    EXPECT_EQ(completed[0].curriculum, 5);
    EXPECT_TRUE(completed[1].right);
    EXPECT_EQ(completed[1].curriculum, 7);
  }
  EXPECT_THROW(Scorer(Spec(), 2).Restore(scorer.Save()), std::invalid_argument);
}

TEST(Scorer, NothingCountedIsNotANumber) {
  for (const double value : Scorer(Spec(), 1).Values()) EXPECT_TRUE(std::isnan(value));
}

}  // namespace
}  // namespace lethe::envs::sequence
