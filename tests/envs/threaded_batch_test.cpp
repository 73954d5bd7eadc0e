#include "envs/threaded_batch.h"

#include <chrono>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/child_process.h"
#include "tests/envs/play.h"

namespace lethe::envs {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<ThreadedBatch> MakeThreaded(const std::string& id, int size, int threads, const Changes& changes = {}) {
  return std::make_unique<ThreadedBatch>(MakeBatch(id, {.size = size, .seed = 4}, changes), threads);
}

class ThreadsSameResults : public ::testing::TestWithParam<std::string> {};

TEST_P(ThreadsSameResults, ForEveryNumberOfThreads) {
  const Changes short_episodes = {{"max_steps", 9}};
  const auto plain = MakeBatch(GetParam(), {.size = 37, .seed = 4}, short_episodes);
  Buffers expected(*plain);
  std::vector<std::unique_ptr<ThreadedBatch>> batches;
  for (int threads : {1, 2, 3, 8}) batches.push_back(MakeThreaded(GetParam(), 37, threads, short_episodes));
  std::vector<Buffers> got(batches.size(), expected);
  plain->Reset(expected.observations.data());
  for (size_t i = 0; i < batches.size(); ++i) batches[i]->Reset(got[i].observations.data());
  const BatchPolicy policy = RandomPolicy(1);
  for (int t = 0; t < 60; ++t) {
    policy(*plain, expected);
    expected.Step(*plain);
    for (size_t i = 0; i < batches.size(); ++i) {
      got[i].actions = expected.actions;
      got[i].Step(*batches[i]);
      ASSERT_EQ(got[i], expected) << "step " << t << ", " << batches[i]->threads() << " threads";
    }
  }
  for (const auto& batch : batches) EXPECT_EQ(batch->Save(), plain->Save());
}

INSTANTIATE_TEST_SUITE_P(Envs, ThreadsSameResults, ::testing::ValuesIn(Ids()), TestNameOfId);

TEST(ThreadsBatch, TheScoutInsideActsAndExplains) {
  const auto plain = MakeBatch("Instruction-Short-v0", {.size = 5, .seed = 4});
  const auto threaded = MakeThreaded("Instruction-Short-v0", 5, 2);
  ASSERT_TRUE(threaded->HasScout());
  Buffers want(*plain), got(*threaded);
  plain->Reset(want.observations.data()), threaded->Reset(got.observations.data());
  std::vector<uint8_t> said(5 * plain->spec().explanation.size()), heard(said.size(), 255);
  for (int t = 0; t < 30; ++t) {
    std::vector<uint8_t> ties(5), same(5);
    plain->Scout(want.actions.data(), ties.data()), threaded->Scout(got.actions.data(), same.data());
    plain->Explain(said.data()), threaded->Explain(heard.data());
    ASSERT_EQ(got.actions, want.actions) << t;
    ASSERT_EQ(same, ties) << t;
    ASSERT_EQ(heard, said) << t;
    want.Step(*plain), got.Step(*threaded);
  }
}

TEST(ThreadsBatch, StartsNoMoreThreadsThanRowsAndRefusesNone) {
  EXPECT_EQ(MakeThreaded("Corridor-v0", 3, 8)->threads(), 3);
  EXPECT_EQ(MakeThreaded("Corridor-v0", 8, 3)->threads(), 3);
  EXPECT_THAT(ErrorOf([] { MakeThreaded("Corridor-v0", 3, 0); }), HasSubstr("threads is 0; allowed: >= 1"));
}

TEST(ThreadsBatch, ABadActionInTheLastShareChangesNothing) {
  const auto batch = MakeThreaded("Corridor-v0", 8, 4);
  Buffers buffers(*batch);
  batch->Reset(buffers.observations.data());
  const auto saved = batch->Save();
  const Buffers before = buffers;
  buffers.actions[7] = 4;
  EXPECT_THAT(ErrorOf([&] { buffers.Step(*batch); }), HasSubstr("action of row 7 is 4"));
  EXPECT_EQ(batch->Save(), saved);
  EXPECT_EQ(buffers.observations, before.observations);
}

// The workers sleep between steps that are far apart, and spin between others.
TEST(ThreadsBatch, WakesAfterAPause) {
  const auto batch = MakeThreaded("Corridor-v0", 8, 3), hurried = MakeThreaded("Corridor-v0", 8, 3);
  Buffers a(*batch), b(*hurried);
  for (int t = 0; t < 20; ++t) {
    std::this_thread::sleep_for(std::chrono::milliseconds(t % 5));
    a.Step(*batch);
    b.Step(*hurried);
    ASSERT_EQ(a, b);
  }
}

TEST(ThreadsBatch, MayBeDestroyedAtAnyTime) {
  for (int i = 0; i < 50; ++i) {
    const auto batch = MakeThreaded("Corridor-v0", 8, 4);
    Buffers buffers(*batch);
    for (int t = 0; t < i % 3; ++t) buffers.Step(*batch);
  }
}

TEST(ThreadsBatch, IsRefusedAfterAForkAndMayBeDestroyedThere) {
  auto batch = MakeThreaded("Corridor-v0", 8, 3), alone = MakeThreaded("Corridor-v0", 8, 1);
  Buffers buffers(*batch);
  buffers.Step(*batch);
  const std::string seen = tests::MessageFromChild([&] {
    ::alarm(10);  // rather than wait for ever
    const auto saved = batch->Save();
    const std::string error = ErrorOf([&] { buffers.Step(*batch); });
    const bool same = batch->Save() == saved;
    batch.reset();
    Buffers(*alone).Step(*alone);
    throw std::runtime_error(fmt::format("{} ({})", error, same));
  });
  EXPECT_THAT(seen, HasSubstr("made before a fork"));
  EXPECT_THAT(seen, HasSubstr("(true)"));
  EXPECT_EQ(ErrorOf([&] { buffers.Step(*batch); }), "");
}

/// Rows that throw when they are stepped, until they are told not to; the others count their steps.
class Throwing : public EnvBatch {
 public:
  explicit Throwing(int size) : steps(size), inner_(MakeBatch("Corridor-v0", {.size = size})) {}

  std::set<int> bad_rows;
  std::vector<int> steps;

  void StepRows(int first, int end, const uint8_t*, const StepOutput&) override {
    for (int row = first; row < end; ++row) {
      if (bad_rows.contains(row)) throw std::runtime_error(fmt::format("row {} is broken", row));
      ++steps[row];
    }
  }

  const Spec& spec() const override { return inner_->spec(); }
  int size() const override { return inner_->size(); }
  void Reset(uint8_t*) override {}
  void Restart(int, uint8_t*) override {}
  void CheckActions(const uint8_t*) const override {}
  void Observe(uint8_t*) const override {}
  std::span<const float> EpisodeMetrics(int) const override { return {}; }
  void SetCurriculum(double) override {}
  std::vector<std::byte> Save() const override { return {}; }
  void Restore(std::span<const std::byte>) override {}
  Picture MakePicture(int) const override { return {}; }
  std::string Text(int) const override { return {}; }
  std::string LevelJson(int) const override { return {}; }
  void LoadLevel(int, const std::string&) override {}
  void Oracle(uint8_t*) const override {}
  void Memoryless(const uint8_t*, Stream&, uint8_t*) const override {}
  bool IsCue(int) const override { return false; }
  void Cues(uint8_t*) const override {}

 private:
  std::unique_ptr<EnvBatch> inner_;
};

TEST(ThreadsBatch, RethrowsTheFirstExceptionAfterAllSharesEndedAndGoesOn) {
  auto owned = std::make_unique<Throwing>(8);
  Throwing& inner = *owned;
  ThreadedBatch batch(std::move(owned), 4);
  Buffers buffers(batch);
  for (const std::set<int>& bad_rows : {std::set<int>{5, 7}, {1}, {0, 2, 4, 6}}) {
    inner.bad_rows = bad_rows;
    std::ranges::fill(inner.steps, 0);
    const int first = *bad_rows.begin();
    EXPECT_EQ(ErrorOf([&] { buffers.Step(batch); }), fmt::format("row {} is broken", first));
    for (int share = 0; share < 4; ++share) EXPECT_EQ(inner.steps[2 * share], !bad_rows.contains(2 * share));
    inner.bad_rows.clear();
    EXPECT_EQ(ErrorOf([&] { buffers.Step(batch); }), "");
  }
}

}  // namespace
}  // namespace lethe::envs
