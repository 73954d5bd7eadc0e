#include <cmath>
#include <map>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "envs/sequence/scorer.h"
#include "tests/envs/sequence/streams.h"

namespace lethe::envs::sequence {
namespace {

struct Sample {
  int64_t count = 0, distance = 0, questions = 0;
};

// Cuts a row into samples; the last one may be cut short and is left out.
std::vector<Sample> SamplesOf(const Row& row) {
  std::vector<Sample> samples;
  for (size_t i = 0; i < row.tokens.size(); ++i) {
    if (row.episode_start[i]) samples.emplace_back();
    Sample& sample = samples.back();
    (row.tokens[i] == 0 ? sample.count : row.tokens[i] == 1 ? sample.distance : sample.questions) += 1;
  }
  samples.pop_back();
  return samples;
}

TEST(Copy, CountsAndDistancesAreUniform) {
  const auto stream = MakeStream("Copy-v0", {.steps = 2'000'000}, {{"count_max", 4}, {"distance", 21}});
  const auto samples = SamplesOf(ReadRows(*stream, 1)[0]);
  std::map<int64_t, double> counts, distances;
  for (const Sample& sample : samples) {
    counts[sample.count] += 1.0 / static_cast<double>(samples.size());
    distances[sample.distance] += 1.0 / static_cast<double>(samples.size());
    EXPECT_EQ(sample.questions, 4);
  }
  ASSERT_GT(samples.size(), 80'000);
  EXPECT_EQ(counts.size(), 4);
  EXPECT_EQ(counts.begin()->first, 1);
  for (const auto& [count, share] : counts) EXPECT_NEAR(share, 1.0 / 4, 0.006) << count;  // 4 standard errors
  EXPECT_EQ(distances.size(), 12);
  EXPECT_EQ(distances.begin()->first, 10);
  for (const auto& [distance, share] : distances) EXPECT_NEAR(share, 1.0 / 12, 0.004) << distance;
}

TEST(Copy, VariantsDifferInDistance) {
  EXPECT_EQ(Find("Copy-1k-v0").make_params()->Get("distance"), 1'024);
  EXPECT_EQ(Find("Copy-16k-v0").make_params()->Get("distance"), 16'384);
  EXPECT_EQ(Find("Copy-128k-v0").make_params()->Get("distance"), 131'072);
  EXPECT_EQ(Find("Copy-v0").make_params()->Get("count_max"), 16);
}

TEST(Copy, ASampleTakesTheCurriculumThatHoldsAtItsFirstToken) {
  const auto make = [] { return MakeStream("Copy-v0", {.steps = 1}, {{"count_max", 2}, {"distance", 20}}); };
  const auto stream = make();
  EXPECT_EQ(stream->spec().curriculum_parameter, "distance");
  EXPECT_EQ(stream->spec().curriculum_max, 20);
  stream->SetCurriculum(3.9);
  Row row = ReadRows(*stream, 1)[0];
  stream->SetCurriculum(1e9);
  const auto restored = make();
  restored->Restore(stream->Save());
  const Row rest = ReadRows(*stream, 2'000)[0];
  EXPECT_EQ(ReadRows(*restored, 2'000)[0], rest) << "the curriculum belongs to the state";
  row.tokens.insert(row.tokens.end(), rest.tokens.begin(), rest.tokens.end());
  row.episode_start.insert(row.episode_start.end(), rest.episode_start.begin(), rest.episode_start.end());
  const auto samples = SamplesOf(row);
  EXPECT_LE(samples[0].distance, 3);
  for (size_t i = 1; i < samples.size(); ++i) EXPECT_TRUE(samples[i].distance >= 10 && samples[i].distance <= 20) << i;
  EXPECT_THROW(stream->SetCurriculum(std::nan("")), std::invalid_argument);
}

const std::vector<Change> kShort = {{"distance", 40}, {"valid_samples", 500}, {"test_samples", 501}};

TEST(Copy, EvaluationReadsEverySampleOnceWhateverTheRows) {
  for (const Split split : {Split::kValid, Split::kTest}) {
    std::multiset<std::string> expected;
    for (const int rows : {1, 3, 64}) {
      const auto stream = MakeStream("Copy-v0", {.split = split, .rows = rows, .steps = 100}, kShort);
      std::multiset<std::string> samples;
      for (const Row& row : ReadRows(*stream)) {
        std::string tokens;
        int64_t scored = 0;
        for (size_t i = 0; i < row.tokens.size(); ++i) {
          tokens += static_cast<char>('A' + row.tokens[i]);
          scored += row.scored[i];
          if (!row.scored[i] || scored % 16 != 0) continue;
          samples.insert(tokens);
          tokens.clear();
        }
        EXPECT_EQ(tokens.find_first_not_of('A'), std::string::npos);  // padding
      }
      EXPECT_EQ(samples.size(), split == Split::kValid ? 500 : 501);
      if (rows == 1) expected = samples;
      EXPECT_TRUE(samples == expected) << rows;
    }
  }
}

// A policy without memory says the same at every sample: the most frequent label at each of the questions.
TEST(Copy, AnswersWithoutMemoryScoreAtChance) {
  const auto stream = MakeStream("Copy-v0", {.split = Split::kTest, .rows = 8, .steps = 256},
                                 {{"distance", 40}, {"test_samples", 20'000}});
  Block block(stream->options());
  const SequenceSpec& spec = stream->spec();
  Scorer best(spec, 8), perfect(spec, 8);
  std::vector<int> question(8);
  std::vector<float> nats(block.tokens.size());
  while (stream->Next(block.out())) {
    std::vector<uint8_t> answers(block.tokens.size());
    for (size_t i = 0; i < answers.size(); ++i) {
      int& j = question[i / 256];
      if (block.episode_start[i]) j = 0;
      if (block.scored[i]) answers[i] = ++j <= 9 ? 1 : 2;  // P(9th is 1) = 8 / 16
    }
    best.Add(256, block.out(), nats.data(), answers.data());
    perfect.Add(256, block.out(), nats.data(), block.labels.data());
  }
  EXPECT_EQ(spec.scores[0].chance, 1.0 / 16);
  EXPECT_EQ(spec.scores[1].chance, 0.75);
  EXPECT_NEAR(best.Values()[0], spec.scores[0].chance, 0.006);
  EXPECT_NEAR(best.Values()[1], spec.scores[1].chance, 0.006);
  EXPECT_EQ(perfect.Values(), (std::vector<double>{1, 1}));
  EXPECT_EQ(perfect.num_scored(), 20'000 * 16);
}

}  // namespace
}  // namespace lethe::envs::sequence
