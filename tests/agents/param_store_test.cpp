// The gate between learner and actors: A2C in step, IMPALA bounded, closing while actors wait.

#include "agents/param_store.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <thread>

namespace lethe::agents {
namespace {

using Version = std::shared_ptr<const ParamVersion>;

Version MakeVersion(int64_t number) {
  auto version = std::make_shared<ParamVersion>();
  version->version = number;
  return version;
}

/// Take on a thread of its own. Declare it after the store: its destructor waits for the thread.
std::future<Version> TakeLater(ParamStore& store, int64_t number) {
  return std::async(std::launch::async, [&store, number] { return store.Take(number); });
}

bool IsWaiting(const std::future<Version>& take) {
  return take.wait_for(std::chrono::milliseconds(20)) == std::future_status::timeout;
}

TEST(ThreadsParamStore, NobodyActsBeforeTheFirstVersion) {
  ParamStore store(0);
  auto take = TakeLater(store, 0);
  EXPECT_TRUE(IsWaiting(take));
  store.Publish(MakeVersion(5));
  EXPECT_EQ(take.get()->version, 5);
}

TEST(ThreadsParamStore, OnPolicyTheNextRolloutWaitsForTheNextVersion) {
  ParamStore store(0);
  store.Publish(MakeVersion(0));
  EXPECT_EQ(store.Take(0)->version, 0);  // both actors begin at once
  EXPECT_EQ(store.Take(0)->version, 0);
  auto take = TakeLater(store, 1);
  EXPECT_TRUE(IsWaiting(take));
  store.Publish(MakeVersion(1));
  EXPECT_TRUE(IsWaiting(take)) << "a version alone does not open the gate: its rollouts have to be consumed";
  store.Consumed();
  EXPECT_EQ(take.get()->version, 1);
}

TEST(ThreadsParamStore, OffPolicyAnActorRunsAheadByTheLagAndNoFurther) {
  ParamStore store(2);
  store.Publish(MakeVersion(0));
  for (int64_t n = 0; n <= 2; ++n) EXPECT_EQ(store.Take(n)->version, 0);
  auto take = TakeLater(store, 3);
  EXPECT_TRUE(IsWaiting(take));
  store.Publish(MakeVersion(1));
  store.Consumed();
  EXPECT_EQ(take.get()->version, 1);
  auto bounded = TakeLater(store, 4);
  EXPECT_TRUE(IsWaiting(bounded));
  store.Close();
  EXPECT_EQ(bounded.get(), nullptr);
}

TEST(ThreadsParamStore, CloseWakesWaitingActors) {
  ParamStore store(0);
  auto before = TakeLater(store, 0);
  store.Publish(MakeVersion(0));
  EXPECT_NE(before.get(), nullptr);
  auto first = TakeLater(store, 1), second = TakeLater(store, 1);
  EXPECT_TRUE(IsWaiting(first));
  store.Close();
  EXPECT_EQ(first.get(), nullptr);
  EXPECT_EQ(second.get(), nullptr);
  EXPECT_EQ(store.Take(0), nullptr);
}

/// Actors and learner race; nothing is learnt from more than the lag after it began.
TEST(ThreadsParamStore, BoundHoldsInARace) {
  constexpr int64_t kLag = 1, kActors = 3, kUpdates = 200;
  ParamStore store(kLag);
  store.Publish(MakeVersion(0));
  std::vector<std::atomic<int64_t>> done(kActors);
  std::atomic<int64_t> worst = 0;
  std::vector<std::jthread> actors;
  for (int64_t a = 0; a < kActors; ++a) {
    actors.emplace_back([&, a] {
      for (int64_t n = 0;; ++n) {
        const Version version = store.Take(n);
        if (version == nullptr) return;
        const int64_t lag = n - version->version;  // update n learns from rollout n
        for (int64_t seen = worst; lag > seen && !worst.compare_exchange_weak(seen, lag);) {
        }
        done[static_cast<size_t>(a)] = n + 1;
      }
    });
  }
  for (int64_t update = 0; update < kUpdates; ++update) {
    for (const auto& n : done)
      while (n <= update) std::this_thread::yield();
    store.Publish(MakeVersion(update + 1));
    store.Consumed();
  }
  store.Close();
  actors.clear();
  EXPECT_LE(worst, kLag);
}

}  // namespace
}  // namespace lethe::agents
