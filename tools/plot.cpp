#include "tools/plot.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "configs/atomic_file.h"

namespace lethe::tools {
namespace {

namespace fs = std::filesystem;

/// The program stands in build/<preset>/bin of the source tree, or in bin of an installed one.
fs::path FindScript() {
  std::error_code unknown;
  const fs::path program = fs::read_symlink("/proc/self/exe", unknown);
  for (fs::path above = program.parent_path(); above.has_relative_path(); above = above.parent_path())
    for (const char* place : {"tools/plot.py", "share/lethe/plot.py"})
      if (fs::is_regular_file(above / place)) return above / place;
  return {};
}

std::string FindPython(const fs::path& script) {
  if (const char* python = std::getenv("LETHE_PYTHON"); python != nullptr && *python != '\0') return python;
  const fs::path in_venv = script.parent_path().parent_path() / ".venv/bin/python";
  return fs::exists(in_venv) ? in_venv.string() : "python3";
}

std::string ReadAll(int fd) {
  std::string text;
  std::array<char, 4096> piece;
  for (ssize_t got; (got = ::read(fd, piece.data(), piece.size())) > 0;)
    text.append(piece.data(), static_cast<size_t>(got));
  return text;
}

std::string LastLine(std::string text) {
  text.erase(text.find_last_not_of('\n') + 1);
  return text.substr(text.rfind('\n') + 1);
}

struct Outcome {
  bool succeeded = false;
  std::string last_line;  // of what it printed
};

Outcome RunProgram(std::vector<std::string> words) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return {false, "cannot make a pipe"};
  configs::FileDescriptor read_end(ends[0]), write_end(ends[1]);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDERR_FILENO);
  pid_t child = 0;
  const int failed = ::posix_spawnp(&child, argv[0], &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  write_end.Reset();
  if (failed != 0) return {false, words[0] + " does not start"};
  const std::string printed = ReadAll(read_end.get());
  int status = 0;
  ::waitpid(child, &status, 0);
  return {WIFEXITED(status) && WEXITSTATUS(status) == 0, LastLine(printed)};
}

}  // namespace

Plot DrawPlot(const std::string& run_dir) {
  const fs::path script = FindScript();
  if (script.empty()) return {false, "not drawn: tools/plot.py is in no folder above the program"};
  const Outcome outcome = RunProgram({FindPython(script), script.string(), run_dir});
  if (outcome.succeeded) return {true, outcome.last_line};
  const bool is_named = outcome.last_line.starts_with("plot: ");
  return {false, "not drawn: " + outcome.last_line.substr(is_named ? 6 : 0)};
}

}  // namespace lethe::tools
