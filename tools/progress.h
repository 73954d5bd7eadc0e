#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "tools/progress_table.h"

namespace lethe::tools {

/// Shows a running training. On a terminal a small table that is redrawn in place (coloured unless the environment
/// variable NO_COLOR is set); elsewhere a header and then one line per update. A new phase begins a new table and
/// leaves the last state of the one before it standing. Threads: one object belongs to one thread.
class Progress {
 public:
  /// `out` is not owned. `is_terminal`: isatty(fileno(out)) and TERM is not "dumb".
  Progress(std::FILE* out, bool is_terminal);

  void Update(const ProgressLine& line);

  /// Prints a line of text above the table: warnings, checkpoints.
  void Note(const std::string& text);

  /// Ends the display; what is printed afterwards stands below it.
  void Done();

 private:
  std::string Drawn() const;
  std::string Erased() const;
  void Print(const std::string& text);

  std::FILE* const out_;
  const bool is_terminal_;
  const bool colours_;
  bool header_printed_ = false;
  std::string phase_;
  std::vector<double> scores_;     ///< of this phase
  std::vector<std::string> rows_;  ///< as last drawn
};

}  // namespace lethe::tools
