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
  ParamStore store(0, 2);
  auto take = TakeLater(store, 0);
  EXPECT_TRUE(IsWaiting(take));
  store.Publish(MakeVersion(5));
  EXPECT_EQ(take.get()->version, 5);
}

TEST(ThreadsParamStore, OnPolicyTheNextRolloutWaitsForTheNextVersion) {
  ParamStore store(0, 2);
  store.Publish(MakeVersion(0));
  EXPECT_EQ(store.Take(0)->version, 0);  // both actors begin at once
  EXPECT_EQ(store.Take(0)->version, 0);
  auto take = TakeLater(store, 1);
  EXPECT_TRUE(IsWaiting(take));
  store.Publish(MakeVersion(1));
  EXPECT_TRUE(IsWaiting(take)) << "a version alone does not open the gate: its rollouts have to be consumed";
  store.Consumed(2);
  EXPECT_EQ(take.get()->version, 1);
}

TEST(ThreadsParamStore, OffPolicyTheRolloutsUnderWayAreBounded) {
  constexpr int64_t kLag = 2, kPerUpdate = 2;
  ParamStore store(kLag, kPerUpdate);
  store.Publish(MakeVersion(0));
  for (int64_t n = 0; n < (kLag + 1) * kPerUpdate; ++n) EXPECT_EQ(store.Take(n)->version, 0);
  auto take = TakeLater(store, 6);
  EXPECT_TRUE(IsWaiting(take));
  store.Publish(MakeVersion(1));
  store.Consumed(kPerUpdate);
  EXPECT_EQ(take.get()->version, 1);
  EXPECT_NE(store.Take(7), nullptr);
  auto bounded = TakeLater(store, 8);
  EXPECT_TRUE(IsWaiting(bounded));
  store.Close();
  EXPECT_EQ(bounded.get(), nullptr);
}

TEST(ThreadsParamStore, CloseWakesWaitingActors) {
  ParamStore store(0, 1);
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

/// Actors and learner race; the rollouts under way stay within the promise.
TEST(ThreadsParamStore, BoundHoldsInARace) {
  constexpr int64_t kLag = 1, kActors = 3, kUpdates = 200;
  ParamStore store(kLag, kActors);
  store.Publish(MakeVersion(0));
  std::atomic<int64_t> done = 0, under_way = 0, most = 0;
  std::vector<std::jthread> actors;
  for (int64_t a = 0; a < kActors; ++a) {
    actors.emplace_back([&] {
      for (int64_t n = 0; store.Take(n) != nullptr; ++n) {
        const int64_t now = ++under_way;
        for (int64_t seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {}
        ++done;
      }
    });
  }
  for (int64_t update = 1; update <= kUpdates; ++update) {
    while (done < kActors) std::this_thread::yield();
    done -= kActors;
    under_way -= kActors;
    store.Publish(MakeVersion(update));
    store.Consumed(kActors);
  }
  store.Close();
  actors.clear();
  EXPECT_LE(most, (kLag + 1) * kActors);
}

}  // namespace
}  // namespace lethe::agents
