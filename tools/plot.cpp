#include "tools/plot.h"

#include <cstdlib>
#include <filesystem>

#include "tools/run_program.h"

namespace lethe::tools {
namespace {

namespace fs = std::filesystem;

/// The program stands in build/<preset>/bin of the source tree, or in bin of an installed one.
fs::path FindScript() {
  const fs::path program = OwnPath();
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

}  // namespace

Plot DrawPlot(const std::string& run_dir) {
  const fs::path script = FindScript();
  if (script.empty()) return {false, "not drawn: tools/plot.py is in no folder above the program"};
  const ProgramOutcome outcome = RunProgram({FindPython(script), script.string(), run_dir});
  const std::string last_line = LastLine(outcome.printed);
  if (outcome.succeeded) return {true, last_line};
  const bool is_named = last_line.starts_with("plot: ");
  return {false, "not drawn: " + last_line.substr(is_named ? 6 : 0)};
}

}  // namespace lethe::tools
