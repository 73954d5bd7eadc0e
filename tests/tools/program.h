#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "configs/atomic_file.h"
#include "tests/temporary_folder.h"

namespace lethe::tests {

/// How a started program ended, and what it printed.
struct Ended {
  int exit_code = -1;  ///< -1: killed by `signal`
  int signal = 0;
  std::string out, err;
};

/// The built program `lethe`, or another, started in a folder; killed at the end of this object at the latest.
class Program {
 public:
  /// `before`: called in the new process right before the program starts.
  Program(const std::string& folder, const std::vector<std::string>& words, const std::function<void()>& before = {},
          const std::string& program = LETHE_BINARY)
      : pid_(::fork()) {
    if (pid_ < 0) throw std::runtime_error("cannot fork");
    if (pid_ == 0) Become(folder, program, words, before);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() {
    if (waited_) return;
    Send(SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  void Send(int signal) const { ::kill(pid_, signal); }

  /// Has it ended? Does not wait.
  bool HasEnded() {
    if (!waited_) waited_ = ::waitpid(pid_, &status_, WNOHANG) == pid_;
    return waited_;
  }

  Ended Wait() {
    if (!waited_) ::waitpid(pid_, &status_, 0);
    waited_ = true;
    const bool killed = WIFSIGNALED(status_);
    return {killed ? -1 : WEXITSTATUS(status_), killed ? WTERMSIG(status_) : 0,
            configs::ReadWholeFile(printed_ / "out"), configs::ReadWholeFile(printed_ / "err")};
  }

 private:
  [[noreturn]] void Become(const std::string& folder, std::string program, const std::vector<std::string>& words,
                           const std::function<void()>& before) {
    const auto redirect = [](const std::string& path, int to) {
      ::dup2(::open(path.c_str(), O_WRONLY | O_CREAT, 0666), to);
    };
    redirect(printed_ / "out", STDOUT_FILENO);
    redirect(printed_ / "err", STDERR_FILENO);
    std::vector<char*> argv = {program.data()};
    for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    if (::chdir(folder.c_str()) != 0) ::_exit(126);
    ::setenv("LETHE_PYTHON", "/no/python/so/that/plots/cost/nothing", 0);
    if (before) before();
    ::execv(program.c_str(), argv.data());
    ::_exit(127);
  }

  const TemporaryFolder printed_;
  const pid_t pid_;
  bool waited_ = false;
  int status_ = 0;
};

/// Runs the program to its end.
inline Ended RunLethe(const std::string& folder, const std::vector<std::string>& words,
                      const std::function<void()>& before = {}) {
  return Program(folder, words, before).Wait();
}

/// Words of `lethe train` for the tiny run in runs/<name>, with further words.
inline std::vector<std::string> TrainTiny(const std::string& run_dir, const std::vector<std::string>& more = {}) {
  std::vector<std::string> words = {"train", LETHE_TEST_DATA "/configs/tiny.yaml", "--run-dir", run_dir};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

/// Waits until `happened`, looking often. False: the program ended first, or a minute passed.
inline bool WaitUntil(Program& program, const std::function<bool()>& happened) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!happened()) {
    if (program.HasEnded() || std::chrono::steady_clock::now() > give_up) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace lethe::tests
