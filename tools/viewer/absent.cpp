// In place of everything else in this folder where SDL2, SDL2_ttf, giflib or libpng were not found.
#include "tools/user_error.h"
#include "tools/viewer/bench_view.h"
#include "tools/viewer/view.h"
#include "tools/viewer/view_flags.h"

namespace lethe::tools {

bool CanOpenWindow() { return false; }

void RequireWindow() {
  throw UserError("this build has no viewer: SDL2, SDL2_ttf, giflib or libpng was not found when it was configured");
}

Command ViewCommand() {
  return {"view",
          "RUN|ID|FILE",
          "watch an agent (not in this build)",
          "This build has no viewer: SDL2, SDL2_ttf, giflib or libpng was not found when it was configured.",
          ViewFlags(),
          [](const CommandLine&) -> int {
            RequireWindow();
            return 1;
          }};
}

int BenchView(const CommandLine&) {
  RequireWindow();
  return 1;
}

int PlayInWindow(const std::string&, const std::vector<std::string>&, bool) {
  RequireWindow();
  return 1;
}

}  // namespace lethe::tools
