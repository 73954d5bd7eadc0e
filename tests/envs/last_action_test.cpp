// The action that led to an observation, at its end: the same in every way to step, restart and restore a batch.

#include "envs/last_action.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "envs/threaded_batch.h"
#include "tests/envs/play.h"

namespace lethe::envs {
namespace {

using ::testing::HasSubstr;

const Changes kShort = {{"max_steps", 9}};

std::unique_ptr<LastActionBatch> MakeWrapped(const std::string& id, int size, const Changes& changes = kShort) {
  return std::make_unique<LastActionBatch>(MakeBatch(id, {.size = size, .seed = 4}, changes));
}

class LastActionEveryEnv : public ::testing::TestWithParam<std::string> {};

TEST_P(LastActionEveryEnv, FollowsWhatTheBatchInsideObserves) {
  const auto plain = MakeBatch(GetParam(), {.size = 5, .seed = 4}, kShort);
  const auto wrapped = MakeWrapped(GetParam(), 5);
  const auto tokens = static_cast<size_t>(plain->num_tokens());
  ASSERT_EQ(wrapped->spec().tokens.size(), tokens + 1);
  EXPECT_EQ(wrapped->spec().tokens.back().vocabulary, plain->spec().num_actions + 1);
  Buffers want(*plain), got(*wrapped);
  plain->Reset(want.observations.data()), wrapped->Reset(got.observations.data());
  std::vector<uint8_t> last(5, 0), again(got.observations.size());
  int starts = 0;
  const auto compare = [&] {
    for (size_t row = 0; row < 5; ++row) {
      const uint8_t* mine = &got.observations[row * (tokens + 1)];
      ASSERT_TRUE(std::equal(mine, mine + tokens, &want.observations[row * tokens])) << "row " << row;
      ASSERT_EQ(mine[tokens], last[row]) << "row " << row;
    }
    wrapped->Observe(again.data());
    ASSERT_EQ(again, got.observations);
  };
  compare();
  const BatchPolicy policy = RandomPolicy(1);
  for (int t = 0; t < 60; ++t) {
    SCOPED_TRACE(t);
    policy(*plain, want);
    got.actions = want.actions;
    want.Step(*plain), got.Step(*wrapped);
    for (size_t row = 0; row < 5; ++row) {
      starts += want.episode_start[row];
      last[row] = want.episode_start[row] != 0 ? 0 : static_cast<uint8_t>(want.actions[row] + 1);
    }
    compare();
    ASSERT_EQ(got.rewards, want.rewards);
    if (t == 30) {
      const auto saved = wrapped->Save();
      const auto other = MakeWrapped(GetParam(), 5);
      other->Restore(saved);
      other->Observe(again.data());
      ASSERT_EQ(again, got.observations);
      EXPECT_EQ(other->Save(), saved);
    }
  }
  EXPECT_GT(starts, 5);
}

INSTANTIATE_TEST_SUITE_P(Envs, LastActionEveryEnv, ::testing::ValuesIn(Ids()), TestNameOfId);

TEST(LastAction, IsNoneAfterARestartAndOnALoadedLevel) {
  const auto batch = MakeWrapped("Corridor-v0", 2);
  Buffers buffers(*batch);
  batch->Reset(buffers.observations.data());
  buffers.actions = {1, 1};
  buffers.Step(*batch);
  const auto tokens = static_cast<size_t>(batch->num_tokens());
  EXPECT_EQ(buffers.observations[tokens - 1], 2);
  std::vector<uint8_t> one(tokens, 99), all(2 * tokens);
  batch->Restart(0, one.data());
  EXPECT_EQ(one.back(), 0);
  batch->LoadLevel(1, batch->LevelJson(1));
  batch->Observe(all.data());
  EXPECT_EQ(all[tokens - 1], 0);
  EXPECT_EQ(all[2 * tokens - 1], 0);
}

TEST(LastAction, TheScoutInsideActsAndExplains) {
  const auto plain = MakeBatch("Instruction-Short-v0", {.size = 3, .seed = 4}, kShort);
  const auto wrapped = MakeWrapped("Instruction-Short-v0", 3);
  ASSERT_TRUE(wrapped->HasScout());
  Buffers want(*plain), got(*wrapped);
  plain->Reset(want.observations.data()), wrapped->Reset(got.observations.data());
  std::vector<uint8_t> said(3 * plain->spec().explanation.size()), heard(said.size(), 255);
  ASSERT_EQ(wrapped->spec().explanation.size(), plain->spec().explanation.size());
  for (int t = 0; t < 30; ++t) {
    std::vector<uint8_t> ties(3), same(3);
    plain->Scout(want.actions.data(), ties.data()), wrapped->Scout(got.actions.data(), same.data());
    plain->Explain(said.data()), wrapped->Explain(heard.data());
    ASSERT_EQ(got.actions, want.actions) << t;
    ASSERT_EQ(same, ties) << t;
    ASSERT_EQ(heard, said) << t;
    want.Step(*plain), got.Step(*wrapped);
  }
}

TEST(LastAction, MemorylessPlayersDoNotSeeIt) {
  const auto plain = MakeBatch("Portal-Short-v0", {.size = 3, .seed = 4}, {});
  const auto wrapped = MakeWrapped("Portal-Short-v0", 3, {});
  Buffers want(*plain), got(*wrapped);
  plain->Reset(want.observations.data()), wrapped->Reset(got.observations.data());
  Stream a(1, Purpose::kTrain, 0, 0), b = a;
  plain->Memoryless(want.observations.data(), a, want.actions.data());
  wrapped->Memoryless(got.observations.data(), b, got.actions.data());
  EXPECT_EQ(got.actions, want.actions);
}

TEST(LastAction, RefusesWhatAnotherBatchSaved) {
  const auto batch = MakeWrapped("Corridor-v0", 3);
  auto saved = batch->Save();
  EXPECT_THAT(ErrorOf([&] { batch->Restore(std::span(saved).first(2)); }), HasSubstr("lack their last actions"));
  saved.back() = std::byte{200};
  EXPECT_THAT(ErrorOf([&] { batch->Restore(saved); }), HasSubstr("damaged"));
}

TEST(LastAction, IsTheSameForThreads) {
  ThreadedBatch threaded(MakeWrapped("Instruction-Short-v0", 17), 3);
  const auto plain = MakeWrapped("Instruction-Short-v0", 17);
  Buffers got(threaded), want(*plain);
  threaded.Reset(got.observations.data()), plain->Reset(want.observations.data());
  const BatchPolicy policy = RandomPolicy(2);
  for (int t = 0; t < 40; ++t) {
    policy(*plain, want);
    got.actions = want.actions;
    got.Step(threaded), want.Step(*plain);
    ASSERT_EQ(got, want) << "step " << t;
  }
}

}  // namespace
}  // namespace lethe::envs
