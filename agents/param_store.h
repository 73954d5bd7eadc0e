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
/// max_lag 0 (A2C): an actor's n-th rollout waits for the n-th version, so everything is on-policy and deterministic.
/// max_lag > 0 (IMPALA): an actor waits while (max_lag + 1) updates' worth of rollouts are already under way.
/// Threads: every member may be called from any thread.
class ParamStore {
 public:
  ParamStore(int64_t max_lag, int64_t rollouts_per_update) : max_lag_(max_lag), per_update_(rollouts_per_update) {}

  void Publish(std::shared_ptr<const ParamVersion> version) {
    const std::lock_guard lock(mutex_);
    newest_ = std::move(version);
    changed_.notify_all();
  }

  /// Waits until rollout `number` (of one actor, counted from 0 since the store was made) may begin, and returns what
  /// to act with. Null: closed.
  std::shared_ptr<const ParamVersion> Take(int64_t number) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return closed_ || (newest_ != nullptr && MayBegin(number)); });
    if (closed_) return nullptr;
    ++under_way_;
    return newest_;
  }

  /// The learner has consumed an update's worth of rollouts.
  void Consumed(int64_t rollouts) {
    const std::lock_guard lock(mutex_);
    under_way_ -= rollouts;
    ++updates_;
    changed_.notify_all();
  }

  void Close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }

 private:
  bool MayBegin(int64_t number) const {
    return max_lag_ == 0 ? updates_ >= number : under_way_ < (max_lag_ + 1) * per_update_;
  }

  const int64_t max_lag_, per_update_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<const ParamVersion> newest_;  // guarded by mutex_
  int64_t under_way_ = 0, updates_ = 0;         // guarded by mutex_
  bool closed_ = false;                         // guarded by mutex_
};

}  // namespace lethe::agents
