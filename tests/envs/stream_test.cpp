#include "envs/stream.h"

#include <array>
#include <cmath>
#include <map>
#include <vector>

#include <gtest/gtest.h>

namespace lethe::envs {
namespace {

using Words4 = std::array<uint32_t, 4>;

Stream MakeStream(uint32_t episode = 0) { return Stream(7, Purpose::kTrain, 3, episode); }

// Pearson's statistic of counts against expected counts; its mean is the number of cells less one.
double ChiSquare(const std::vector<int>& counts, const std::vector<double>& expected) {
  double sum = 0;
  for (size_t i = 0; i < counts.size(); ++i) sum += std::pow(counts[i] - expected[i], 2) / expected[i];
  return sum;
}

TEST(Philox, GivesTheKnownAnswersOfRandom123) {
  static_assert(Philox4x32({0, 0, 0, 0}, {0, 0}) == Words4{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  constexpr uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(Philox4x32({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (Words4{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(Philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words4{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Stream, IsPhiloxCountedFromZeroUnderTheEpisodesKey) {
  Stream stream(0x1122334455667788, Purpose::kEvaluate, 5, 9);
  for (uint32_t block = 0; block < 3; ++block) {
    for (uint32_t word : Philox4x32({block, 9, 5, 1}, {0x55667788, 0x11223344})) EXPECT_EQ(stream.Next(), word);
  }
}

TEST(Stream, EveryPartOfTheKeyCounts) {
  const uint32_t first = Stream(1, Purpose::kTrain, 0, 0).Next();
  EXPECT_NE(Stream(2, Purpose::kTrain, 0, 0).Next(), first);
  EXPECT_NE(Stream(1 + (uint64_t{1} << 32), Purpose::kTrain, 0, 0).Next(), first);
  EXPECT_NE(Stream(1, Purpose::kEvaluate, 0, 0).Next(), first);
  EXPECT_NE(Stream(1, Purpose::kTrain, 1, 0).Next(), first);
  EXPECT_NE(Stream(1, Purpose::kTrain, 0, 1).Next(), first);
}

TEST(Stream, BelowIsUniform) {
  Stream stream = MakeStream();
  std::vector<int> counts(7);
  for (int i = 0; i < 70'000; ++i) ++counts[stream.Below(7)];
  EXPECT_LT(ChiSquare(counts, std::vector<double>(7, 10'000)), 22.5);  // 6 degrees of freedom: p = 0.001
}

TEST(Stream, BelowRejectsWhatWouldComeTooOften) {
  // With a bound of 3 * 2^30 the plain multiplication gives every third value twice as often as the others.
  Stream stream = MakeStream();
  std::vector<int> counts(3);
  for (int i = 0; i < 30'000; ++i) ++counts[stream.Below(3u << 30) % 3];
  EXPECT_LT(ChiSquare(counts, std::vector<double>(3, 10'000)), 13.8);
}

TEST(Stream, BetweenReachesBothEnds) {
  Stream stream = MakeStream();
  std::map<int64_t, int> seen;
  for (int i = 0; i < 200; ++i) ++seen[stream.Between(-1, 1)];
  EXPECT_EQ(seen.size(), 3u);
  EXPECT_EQ(seen.begin()->first, -1);
  EXPECT_EQ(stream.Between(5, 5), 5);
}

TEST(Stream, UniformIsInTheHalfOpenUnitInterval) {
  Stream stream = MakeStream();
  double sum = 0;
  for (int i = 0; i < 10'000; ++i) {
    const double value = stream.Uniform();
    ASSERT_TRUE(value >= 0 && value < 1);
    sum += value;
  }
  EXPECT_NEAR(sum / 10'000, 0.5, 4 * 0.2887 / 100);
}

// P(n) = ln((n + 1) / n) / ln((hi + 1) / lo)
void ExpectLogUniform(int64_t lo, int64_t hi) {
  constexpr int kDraws = 50'000;
  std::vector<int> counts(hi - lo + 1);
  std::vector<double> expected(counts.size());
  for (int64_t n = lo; n <= hi; ++n) expected[n - lo] = kDraws * std::log1p(1.0 / n) / std::log((hi + 1.0) / lo);
  Stream stream = MakeStream();
  for (int i = 0; i < kDraws; ++i) ++counts.at(stream.LogUniformBetween(lo, hi) - lo);
  const double freedom = static_cast<double>(hi - lo);
  EXPECT_LT(ChiSquare(counts, expected), freedom + 4 * std::sqrt(2 * freedom) + 1) << lo << ".." << hi;
}

TEST(Stream, LogUniformHasEqualShareInEveryDoubling) {
  ExpectLogUniform(3, 100);
  ExpectLogUniform(1, 1);
  ExpectLogUniform(5, 9);     // hi + 1 = 2 lo
  ExpectLogUniform(90, 100);  // within one doubling
  ExpectLogUniform(4, 16);    // just beyond two
}

TEST(Stream, LogUniformIsQuickOnLongNarrowRanges) {
  Stream stream = MakeStream();
  for (int i = 0; i < 100'000; ++i) ASSERT_EQ(stream.LogUniformBetween(1'000'000, 1'000'000), 1'000'000);
}

TEST(Stream, ShuffleGivesEveryOrderAlike) {
  Stream stream = MakeStream();
  std::map<std::array<int, 3>, int> orders;
  for (int i = 0; i < 6'000; ++i) {
    std::array<int, 3> items{1, 2, 3};
    stream.Shuffle(std::span<int>(items));
    ++orders[items];
  }
  std::vector<int> counts;
  for (const auto& [order, count] : orders) counts.push_back(count);
  ASSERT_EQ(counts.size(), 6u);
  EXPECT_LT(ChiSquare(counts, std::vector<double>(6, 1'000)), 20.5);  // 5 degrees of freedom: p = 0.001
}

TEST(Stream, FillGivesTheWordsOfNext) {
  for (const int before : {0, 1, 4, 7}) {
    for (const size_t count : {0, 1, 3, 15, 16, 17, 33, 321}) {
      Stream filled(5, Purpose::kEvaluate, 3, 9), stepped(5, Purpose::kEvaluate, 3, 9);
      for (int i = 0; i < before; ++i) EXPECT_EQ(filled.Next(), stepped.Next());
      std::vector<uint32_t> words(count);
      filled.Fill(words);
      for (size_t i = 0; i < count; ++i) ASSERT_EQ(words[i], stepped.Next()) << before << " " << count << " " << i;
      for (int i = 0; i < 5; ++i) EXPECT_EQ(filled.Next(), stepped.Next());  // and goes on behind them
    }
  }
}

}  // namespace
}  // namespace lethe::envs
