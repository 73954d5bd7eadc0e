#pragma once

namespace lethe::tools {

/// While an object of this class lives, the first SIGINT or SIGTERM is a request to stop instead of an end; a second of
/// the same kind ends the process at once. Holds in background jobs too, which shells start with SIGINT ignored.
/// A write beyond the limit on file sizes becomes an error instead of a signal.
/// Threads: one object at a time.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  /// The signal that came, or 0. May be asked from any thread.
  static int Received();
  static bool Requested() { return Received() != 0; }

  /// "SIGINT", "SIGTERM".
  static const char* Name(int signal);
};

}  // namespace lethe::tools
