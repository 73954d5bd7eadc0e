// The queue between actors and learner: order, bound, and closing while others wait. Runs without LibTorch.

#include "agents/queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <numeric>
#include <thread>
#include <vector>

namespace lethe::agents {
namespace {

/// Long enough for a thread to reach its wait; a test that this time is too short for passes all the same.
void LetOthersWait() { std::this_thread::sleep_for(std::chrono::milliseconds(20)); }

TEST(ThreadsQueue, FirstInFirstOut) {
  Queue<int> queue(3);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(queue.Push(i));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(queue.Pop(), i);
}

TEST(ThreadsQueue, CarriesWhatCanOnlyBeMoved) {
  Queue<std::unique_ptr<int>> queue(1);
  ASSERT_TRUE(queue.Push(std::make_unique<int>(7)));
  EXPECT_EQ(**queue.Pop(), 7);
}

TEST(ThreadsQueue, CloseWakesWaitingConsumers) {
  Queue<int> queue(1);
  std::atomic<int> empty = 0;
  std::vector<std::jthread> consumers;
  for (int i = 0; i < 3; ++i) consumers.emplace_back([&] { empty += !queue.Pop().has_value(); });
  LetOthersWait();
  queue.Close();
  consumers.clear();  // joins
  EXPECT_EQ(empty, 3);
}

TEST(ThreadsQueue, CloseWakesWaitingProducers) {
  Queue<int> queue(1);
  ASSERT_TRUE(queue.Push(0));
  std::atomic<int> refused = 0;
  std::vector<std::jthread> producers;
  for (int i = 0; i < 3; ++i) producers.emplace_back([&] { refused += !queue.Push(1); });
  LetOthersWait();
  queue.Close();
  producers.clear();
  EXPECT_EQ(refused, 3);
}

TEST(ThreadsQueue, NothingGoesThroughAClosedQueue) {
  Queue<int> queue(2);
  ASSERT_TRUE(queue.Push(1));
  EXPECT_FALSE(queue.closed());
  queue.Close();
  queue.Close();
  EXPECT_TRUE(queue.closed());
  EXPECT_FALSE(queue.Push(2));
  EXPECT_EQ(queue.Pop(), std::nullopt);
}

TEST(ThreadsQueue, NeverHoldsMoreThanItsCapacity) {
  constexpr int kCapacity = 3, kItems = 500;
  Queue<int> queue(kCapacity);
  std::atomic<int> pushed = 0;
  std::jthread producer([&] {
    for (int i = 0; i < kItems; ++i, ++pushed) queue.Push(i);
  });
  LetOthersWait();
  EXPECT_LE(pushed, kCapacity);
  for (int i = 0; i < kItems; ++i) {
    EXPECT_EQ(queue.Pop(), i);
    EXPECT_LE(pushed, i + 1 + kCapacity);
  }
}

TEST(ThreadsQueue, ManyProducersAndConsumersLoseNothing) {
  constexpr int kProducers = 4, kEach = 500;
  Queue<int> queue(5);
  std::vector<std::vector<int>> received(2);
  std::atomic<int> left = kProducers * kEach;
  {
    std::vector<std::jthread> threads;
    for (auto& mine : received) {
      threads.emplace_back([&] {
        while (const auto item = queue.Pop()) {
          mine.push_back(*item);
          if (--left == 0) queue.Close();
        }
      });
    }
    for (int p = 0; p < kProducers; ++p) {
      threads.emplace_back([&, p] {
        for (int i = 0; i < kEach; ++i) queue.Push(p * kEach + i);
      });
    }
  }
  for (const auto& mine : received) {  // of one producer, each consumer sees rising numbers
    for (int p = 0; p < kProducers; ++p) {
      std::vector<int> own;
      std::ranges::copy_if(mine, std::back_inserter(own), [p](int i) { return i / kEach == p; });
      EXPECT_TRUE(std::ranges::is_sorted(own));
    }
  }
  std::vector<int> all = received[0];
  all.insert(all.end(), received[1].begin(), received[1].end());
  std::ranges::sort(all);
  std::vector<int> want(kProducers * kEach);
  std::iota(want.begin(), want.end(), 0);
  EXPECT_EQ(all, want);
}

}  // namespace
}  // namespace lethe::agents
