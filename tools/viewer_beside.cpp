#include "tools/viewer_beside.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>
#include <vector>

#include "tools/plugins.h"

namespace lethe::tools {
namespace {

constexpr int kNiceness = 10;

/// What the child becomes; returns only where that failed.
void BecomeViewer(const std::vector<char*>& arguments) {
  ::setpgid(0, 0);
  const int nothing =
      ::open("/dev/null", O_RDWR);  // whoever waits for this program's output need not wait for a window
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO}) ::dup2(nothing, stream);
  if (!::isatty(STDERR_FILENO)) ::dup2(nothing, STDERR_FILENO);
  ::setpriority(PRIO_PROCESS, 0, kNiceness);
  ::execv("/proc/self/exe", arguments.data());
  std::perror("lethe: warning: the viewer could not be started");
}

}  // namespace

void StartViewerBeside(const std::string& run) {
  std::vector<std::string> words = {"lethe", "view", run};
  for (const std::string& file : LoadedPlugins()) words.insert(words.end(), {"--plugin", file});
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const pid_t child = ::fork();
  if (child < 0) throw std::system_error(errno, std::generic_category(), "the viewer could not be started");
  if (child > 0) {
    ::setpgid(child, child);  // whichever of the two comes first: from now on Ctrl-C does not reach it
    return;
  }
  BecomeViewer(arguments);
  ::_exit(1);
}

}  // namespace lethe::tools
