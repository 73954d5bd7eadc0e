#pragma once

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <exception>
#include <functional>
#include <stdexcept>
#include <string>

namespace lethe::tests {

/// A forked process that runs `body` and ends with it; killed (SIGKILL) at the end of this object at the latest.
class ChildProcess {
 public:
  explicit ChildProcess(const std::function<void()>& body) : pid_(::fork()) {
    if (pid_ < 0) throw std::runtime_error("cannot fork");
    if (pid_ > 0) return;
    try {
      body();
    } catch (const std::exception&) {
    }
    ::_exit(0);  // no exit handlers: they belong to the test program
  }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess() { Kill(); }

  pid_t pid() const { return pid_; }

  void Kill() {
    if (!waited_) ::kill(pid_, SIGKILL);
    Wait();
  }
  void Wait() {
    if (!waited_) ::waitpid(pid_, nullptr, 0);
    waited_ = true;
  }

 private:
  const pid_t pid_;
  bool waited_ = false;
};

/// Runs `body` in a forked process. Returns the message of the exception it threw, or "" when it threw none.
inline std::string MessageFromChild(const std::function<void()>& body) {
  int ends[2];
  if (::pipe(ends) != 0) throw std::runtime_error("cannot make a pipe");
  ChildProcess child([&] {
    try {
      body();
    } catch (const std::exception& error) {
      const std::string message = error.what();
      if (::write(ends[1], message.data(), message.size()) < 0) ::_exit(1);
    }
  });
  ::close(ends[1]);
  std::string message;
  char piece[4096];
  for (ssize_t got; (got = ::read(ends[0], piece, sizeof piece)) > 0;) message.append(piece, static_cast<size_t>(got));
  ::close(ends[0]);
  child.Wait();
  return message;
}

/// From now on this process cannot make a file longer than `bytes`: writes fail with "File too large".
inline void LimitFileSize(rlim_t bytes) {
  ::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{bytes, bytes};
  ::setrlimit(RLIMIT_FSIZE, &limit);
}

}  // namespace lethe::tests
