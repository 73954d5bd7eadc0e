#include "agents/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <vector>

namespace lethe::agents {
namespace {

TEST(ThreadsWorkerPool, RunsEveryTaskOnce) {
  WorkerPool pool(3);
  EXPECT_EQ(pool.threads(), 3);
  for (const int count : {0, 1, 2, 3, 7, 100}) {
    std::vector<int> runs(static_cast<size_t>(count), 0);  // each written by one thread only
    pool.Run(count, [&](int i) { ++runs[static_cast<size_t>(i)]; });
    EXPECT_EQ(runs, std::vector<int>(static_cast<size_t>(count), 1));
  }
}

TEST(ThreadsWorkerPool, ATaskStaysOnItsThread) {
  WorkerPool pool(2);
  std::vector<std::thread::id> first(6), second(6);
  pool.Run(6, [&](int i) { first[static_cast<size_t>(i)] = std::this_thread::get_id(); });
  pool.Run(6, [&](int i) { second[static_cast<size_t>(i)] = std::this_thread::get_id(); });
  EXPECT_EQ(first, second);
  EXPECT_EQ(first[0], first[2]);
  EXPECT_NE(first[0], first[1]);
}

TEST(ThreadsWorkerPool, AnExceptionIsRethrownAndThePoolLivesOn) {
  WorkerPool pool(2);
  const auto fail = [](int i) {
    if (i == 1) throw std::runtime_error("shard 1 failed");
  };
  for (int round = 0; round < 3; ++round) {
    try {
      pool.Run(4, fail);
      FAIL() << "no exception";
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "shard 1 failed");
    }
    std::atomic<int> runs = 0;
    pool.Run(4, [&](int) { ++runs; });
    EXPECT_EQ(runs, 4);
  }
}

TEST(ThreadsWorkerPool, EndsWithoutEverRunning) { const WorkerPool pool(4); }

}  // namespace
}  // namespace lethe::agents
