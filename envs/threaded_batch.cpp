#include "envs/threaded_batch.h"

#include <pthread.h>

#include <algorithm>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <fmt/format.h>

namespace lethe::envs {
namespace {

// A few microseconds: as long as the next step usually takes to come, and less than a sleep costs.
constexpr int kSpins = 500;

void Pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

// Returns the value of `atomic` once it differs from `old`.
template <class T>
T WaitForChange(const std::atomic<T>& atomic, T old) {
  for (int spin = 0; spin < kSpins; ++spin) {
    if (const T value = atomic.load(std::memory_order_acquire); value != old) return value;
    Pause();
  }
  atomic.wait(old, std::memory_order_acquire);
  return atomic.load(std::memory_order_acquire);
}

// Forks that led to this process, since the first batch was made.
std::atomic<uint32_t> forks{0};

uint32_t CountForks() {
  static const int error = ::pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1, std::memory_order_relaxed); });
  if (error != 0) throw std::system_error(error, std::generic_category(), "pthread_atfork");
  return forks.load(std::memory_order_relaxed);
}

}  // namespace

ThreadedBatch::ThreadedBatch(std::unique_ptr<EnvBatch> batch, int threads)
    : batch_(std::move(batch)), forks_(CountForks()) {
  if (threads < 1) throw std::invalid_argument(fmt::format("threads is {}; allowed: >= 1", threads));
  threads = std::min(threads, size());
  errors_.resize(threads);
  try {
    for (int share = 1; share < threads; ++share) workers_.emplace_back([this, share] { Work(share); });
  } catch (...) {  // the system has no thread left
    Stop();
    throw;
  }
}

ThreadedBatch::~ThreadedBatch() { LostWorkers() ? Forget() : Stop(); }

bool ThreadedBatch::LostWorkers() const { return !workers_.empty() && forks.load(std::memory_order_relaxed) != forks_; }

// Neither joined nor detached: the system may have given the handle of a lost thread to a new one.
void ThreadedBatch::Forget() {
  for (std::thread& worker : workers_) std::construct_at(&worker);
}

void ThreadedBatch::Stop() {
  job_.stop = true;
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadedBatch::StepRows(int first, int end, const uint8_t* actions, const StepOutput& out) {
  if (LostWorkers())
    throw std::runtime_error("this batch was made before a fork and its threads stayed behind; make it after the fork");
  job_ = {first, end, actions, out};
  working_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  StepShare(0);
  for (int left = working_.load(std::memory_order_acquire); left > 0;) left = WaitForChange(working_, left);
  for (const std::exception_ptr& error : errors_) {
    if (error) std::rethrow_exception(error);
  }
}

void ThreadedBatch::Work(int share) {
  for (uint32_t round = 0;;) {
    round = WaitForChange(round_, round);
    if (job_.stop) return;
    StepShare(share);
    if (working_.fetch_sub(1, std::memory_order_acq_rel) == 1) working_.notify_one();
  }
}

void ThreadedBatch::StepShare(int share) noexcept {
  const int64_t rows = job_.end - job_.first;
  const auto begin_of = [&](int64_t number) { return job_.first + static_cast<int>(rows * number / threads()); };
  errors_[share] = nullptr;
  try {
    batch_->StepRows(begin_of(share), begin_of(share + 1), job_.actions, job_.out);
  } catch (...) {
    errors_[share] = std::current_exception();
  }
}

}  // namespace lethe::envs
