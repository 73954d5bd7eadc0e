#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace lethe::agents {

/// Fixed threads for the learner's shards: shard i always runs on the same thread, so an autograd graph is built and
/// differentiated where its caches are warm, and results do not depend on scheduling.
/// Threads: Run belongs to one thread at a time. The first exception of a shard is rethrown by Run.
class WorkerPool {
 public:
  explicit WorkerPool(int threads) {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this, i] { Work(i); });
  }

  ~WorkerPool() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  int threads() const { return static_cast<int>(threads_.size()); }

  /// Runs task(0) .. task(count - 1) and waits for all; thread k takes shards k, k + threads, ...
  void Run(int count, const std::function<void(int)>& task) {
    std::unique_lock lock(mutex_);
    task_ = &task;
    count_ = count;
    left_ = threads();
    error_ = nullptr;
    ++round_;
    changed_.notify_all();
    done_.wait(lock, [this] { return left_ == 0; });
    if (error_) std::rethrow_exception(error_);
  }

 private:
  void Work(int index) {
    int64_t seen = 0;
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return closed_ || round_ != seen; });
      if (closed_) return;
      seen = round_;
      const auto* task = task_;
      const int count = count_;
      lock.unlock();
      std::exception_ptr error;
      try {
        for (int shard = index; shard < count; shard += threads()) (*task)(shard);
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      if (error && !error_) error_ = error;
      if (--left_ == 0) done_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_, done_;
  const std::function<void(int)>* task_ = nullptr;  // the rest is guarded by mutex_
  int count_ = 0, left_ = 0;
  int64_t round_ = 0;
  bool closed_ = false;
  std::exception_ptr error_;
  std::vector<std::thread> threads_;  // constant after construction
};

}  // namespace lethe::agents
