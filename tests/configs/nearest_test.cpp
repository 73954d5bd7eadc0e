#include "configs/nearest.h"

#include <gtest/gtest.h>

namespace lethe::configs {
namespace {

const std::vector<std::string> kNames = {"lr", "unroll_length", "optimizer", "discount", "seed", "memory"};

TEST(Nearest, FindsSlipsOfTheFinger) {
  EXPECT_EQ(Nearest("unrol_length", kNames), "unroll_length");  // dropped
  EXPECT_EQ(Nearest("discountt", kNames), "discount");          // inserted
  EXPECT_EQ(Nearest("optimiser", kNames), "optimizer");         // replaced
  EXPECT_EQ(Nearest("sede", kNames), "seed");                   // swapped
  EXPECT_EQ(Nearest("LR", kNames), "lr");
}

TEST(Nearest, FindsTheBeginningOfAName) {
  EXPECT_EQ(Nearest("unroll", kNames), "unroll_length");
  EXPECT_EQ(Nearest("un", kNames), "");  // too short to tell
}

TEST(Nearest, OffersNothingWhenNothingIsNear) {
  EXPECT_EQ(Nearest("colour", kNames), "");
  EXPECT_EQ(Nearest("", kNames), "");
  EXPECT_EQ(Nearest("xy", kNames), "");  // both letters would have to change
  EXPECT_EQ(Nearest("seed", {}), "");
}

TEST(Nearest, PrefersTheFirstOfEquallyNearWords) {
  EXPECT_EQ(Nearest("gap", {"gas", "map"}), "gas");
  EXPECT_EQ(Nearest("gap", {"map", "gas"}), "map");
}

TEST(Nearest, KeepsToTheGivenNumberOfEdits) {
  EXPECT_EQ(Nearest("discnt", kNames, 1), "");
  EXPECT_EQ(Nearest("discnt", kNames, 2), "discount");
}

TEST(Nearest, IsQuickOnAbsurdWords) {
  EXPECT_EQ(Nearest(std::string(1'000'000, 'a'), {std::string(1'000'000, 'b')}), "");
}

TEST(DidYouMean, EndsAMessage) {
  EXPECT_EQ(DidYouMean("sed", kNames), "; did you mean `seed`?");
  EXPECT_EQ(DidYouMean("colour", kNames), "");
}

}  // namespace
}  // namespace lethe::configs
