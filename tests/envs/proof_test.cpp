// Proof that memory is needed: every environment keeps the scores that it states. Tolerance: 4 standard errors.

#include <gtest/gtest.h>

#include "tests/envs/memoryless_search.h"

namespace lethe::envs {
namespace {

constexpr double kErrors = 4;
constexpr int64_t kLongestSearched = 2'000;  // steps of an episode
constexpr size_t kMostObservations = 100'000;
constexpr int64_t kSearchSteps = 15'000'000;
constexpr double kMostPolicies = 5'000;

class ProofTest : public ::testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<EnvBatch> Make(int rows, uint64_t seed, const Changes& changes = {}) {
    return MakeBatch(GetParam(), {.size = rows, .seed = seed}, changes);
  }
  const Entry& entry() { return Find(GetParam()); }

  // The longest corridors take 10^5 steps, four times as many by random actions.
  bool IsLong() { return entry().horizon > 5'000; }
};

// A score of exactly 1 or 0 in every episode shows no error, though the rare other one may be stated.
double Tolerance(const Estimate& estimate) { return kErrors * estimate.error + 1e-4; }

TEST_P(ProofTest, TheOracleReachesItsScoreOn1000Seeds) {
  const auto batch = Make(1'000, 21);
  const Estimate got = Play(*batch, OraclePolicy());
  EXPECT_NEAR(got.mean, entry().scores.oracle, Tolerance(got));
}

TEST_P(ProofTest, RandomActionsReachTheirScore) {
  const auto batch = Make(IsLong() ? 300 : 5'000, 22);
  const Estimate got = Play(*batch, RandomPolicy(3));
  EXPECT_NEAR(got.mean, entry().scores.random, Tolerance(got));
}

TEST_P(ProofTest, TheStatedMemorylessPolicyDoesNotBeatTheBound) {
  const auto batch = Make(IsLong() ? 1'000 : 5'000, 23);
  const Estimate got = Play(*batch, MemorylessPolicy(4));
  EXPECT_LE(got.mean, entry().scores.memoryless + Tolerance(got));
  EXPECT_GE(got.mean, entry().scores.random - Tolerance(got));
}

bool EndsWithin(EnvBatch& batch, int64_t steps) {
  Buffers buffers(batch);
  batch.Reset(buffers.observations.data());
  std::vector<uint8_t> ended(buffers.rewards.size());
  for (int64_t t = 0; t < steps; ++t) {
    buffers.Step(batch);  // action 0 throughout
    for (size_t row = 0; row < ended.size(); ++row) ended[row] |= buffers.ended(static_cast<int>(row));
  }
  return std::ranges::count(ended, 0) == 0;
}

// Learns a policy without memory; nullptr if the environment is too large to be searched.
std::unique_ptr<Sarsa> Search(const MakeRows& make) {
  if (!EndsWithin(*make(64, 24), kLongestSearched)) return nullptr;
  const auto batch = make(64, 25);
  auto sarsa = std::make_unique<Sarsa>(batch->num_tokens(), batch->spec().num_actions);
  return sarsa->Learn(*batch, kSearchSteps, kMostObservations) ? std::move(sarsa) : nullptr;
}

// Where the search does not reach, the stated policy has to do: it is played above, and its bound is proved in the
// rules.
TEST_P(ProofTest, NoSearchedMemorylessPolicyBeatsTheBound) {
  const MakeRows make = [&](int rows, uint64_t seed) { return Make(rows, seed); };
  const auto sarsa = Search(make);
  if (sarsa == nullptr) GTEST_SKIP() << "too long or too large; the stated policy is played instead";
  const Estimate learnt = BestLearnt(*sarsa, make);
  EXPECT_LE(learnt.mean, entry().scores.memoryless + Tolerance(learnt));
  if (const auto best = BestOfAll(*sarsa, Make(1, 0)->spec().num_actions, kMostPolicies, make)) {
    EXPECT_LE(best->mean, entry().scores.memoryless + Tolerance(*best));
  }
}

// The same search with the oracle's action in the observation has to succeed, or it would prove nothing. On the short
// variants, since finding what pays off a thousand steps later is beyond it.
class ProofSearchTest : public ProofTest {};

TEST_P(ProofSearchTest, FindsWhatTheHintGivesAway) {
  const MakeRows make = [&](int rows, uint64_t seed) { return Make(rows, seed, {{"hint", true}}); };
  const auto sarsa = Search(make);
  ASSERT_NE(sarsa, nullptr);
  const double got = BestLearnt(*sarsa, make).mean;
  RecordProperty("score", std::to_string(got));
  EXPECT_GT(got, 0.5 * (entry().scores.memoryless + entry().scores.oracle));
}

std::vector<std::string> ShortIds() {
  std::vector<std::string> ids;
  for (const std::string& id : Ids()) {
    const bool is_searched = Find(id).family != "Instruction";  // of which there are too many observations
    if (is_searched && id.find("-Short-") != std::string::npos) ids.push_back(id);
  }
  return ids;
}

INSTANTIATE_TEST_SUITE_P(Every, ProofTest, ::testing::ValuesIn(Ids()), TestNameOfId);
INSTANTIATE_TEST_SUITE_P(Every, ProofSearchTest, ::testing::ValuesIn(ShortIds()), TestNameOfId);

}  // namespace
}  // namespace lethe::envs
