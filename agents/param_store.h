#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace lethe::agents {

/// What actors need to act, one immutable version.
struct ParamVersion {
  int64_t version = 0;
  std::vector<float> values;  ///< all parameters, flat
  double curriculum = 0;      ///< value for the next resets; NaN: the environment has none
};

/// The newest parameters, written by the learner and read by actors, and the gate that bounds how stale rollouts get.
///
/// Update n consumes the n-th rollout of every actor. An actor's n-th rollout begins once n - max_lag updates are done,
/// so no rollout is ever learnt from more than max_lag updates after it began; 0 is A2C, on-policy.
/// Threads: every member may be called from any thread.
class ParamStore {
 public:
  explicit ParamStore(int64_t max_lag) : max_lag_(max_lag) {}

  void Publish(std::shared_ptr<const ParamVersion> version) {
    const std::lock_guard lock(mutex_);
    newest_ = std::move(version);
    changed_.notify_all();
  }

  /// Waits until rollout `number` (of one actor, counted from 0 since the store was made) may begin, and returns what
  /// to act with. Null: closed.
  std::shared_ptr<const ParamVersion> Take(int64_t number) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return closed_ || (newest_ != nullptr && updates_ >= number - max_lag_); });
    if (closed_) return nullptr;
    return newest_;
  }

  /// The learner has consumed one rollout of every actor. Publish what it learnt first.
  void Consumed() {
    const std::lock_guard lock(mutex_);
    ++updates_;
    changed_.notify_all();
  }

  void Close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }

 private:
  const int64_t max_lag_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<const ParamVersion> newest_;  // guarded by mutex_
  int64_t updates_ = 0;                         // guarded by mutex_
  bool closed_ = false;                         // guarded by mutex_
};

}  // namespace lethe::agents
