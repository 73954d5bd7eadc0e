#include "envs/golden_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/envs/play.h"

namespace lethe::envs {
namespace {

Json Lines(const std::string& id, uint64_t seed = 1) {
  const Entry& entry = Find(id);
  Json lines = Json::array();
  for (const std::string& line : RecordGoldenSet(entry, *entry.make_params(), seed)) lines.push_back(Json::parse(line));
  return lines;
}

TEST(GoldenSet, HoldsSuccessFailureTimeOutRandomActionsAndHint) {
  const Json lines = Lines("Corridor-Short-v0");
  ASSERT_EQ(lines.size(), 5);
  EXPECT_EQ(lines[0]["id"], "Corridor-Short-v0, oracle");
  EXPECT_EQ(lines[0]["metrics"]["success"], 1);
  EXPECT_EQ(lines[1]["metrics"]["wrong_door"], 1);
  EXPECT_EQ(lines[2]["truncated"].back(), true);
  EXPECT_EQ(lines[3]["id"], "Corridor-Short-v0, random actions");
  EXPECT_EQ(lines[4]["level"]["params"]["hint"], true);
  EXPECT_EQ(lines[4]["obs"][0].size(), lines[0]["obs"][0].size() + 1);
}

TEST(GoldenSet, TheSameSeedGivesTheSameEpisodes) {
  EXPECT_EQ(Lines("Corridor-v0", 3), Lines("Corridor-v0", 3));
  EXPECT_NE(Lines("Corridor-v0", 3), Lines("Corridor-v0", 4));
}

}  // namespace
}  // namespace lethe::envs
