#include "tools/progress.h"

#include <cstdlib>

#include <fmt/format.h>

namespace lethe::tools {
namespace {

bool ColoursWanted() {
  const char* no_color = std::getenv("NO_COLOR");  // https://no-color.org: present and not empty
  return no_color == nullptr || *no_color == '\0';
}

}  // namespace

Progress::Progress(std::FILE* out, bool is_terminal)
    : out_(out), is_terminal_(is_terminal), colours_(is_terminal && ColoursWanted()) {}

void Progress::Update(const ProgressLine& line) {
  if (!is_terminal_) {
    if (!header_printed_) Print(FormatPlainHeader() + '\n');
    header_printed_ = true;
    Print(FormatPlain(line) + '\n');
    return;
  }
  if (line.phase != phase_) Done();
  phase_ = line.phase;
  scores_.push_back(line.score);
  const std::string erased = Erased();
  rows_ = FormatTable(line, scores_, colours_);
  Print(erased + Drawn());
}

void Progress::Note(const std::string& text) { Print(Erased() + text + '\n' + Drawn()); }

void Progress::Done() {
  rows_.clear();
  scores_.clear();
}

/// Moves to the first row of the table and clears everything from there.
std::string Progress::Erased() const { return rows_.empty() ? "" : fmt::format("\x1b[{}A\r\x1b[J", rows_.size()); }

/// A window narrower than the table cuts the rows instead of wrapping them: a wrapped row would be one more to go up.
std::string Progress::Drawn() const {
  if (rows_.empty()) return "";
  std::string text = "\x1b[?7l";
  for (const std::string& row : rows_) text += row + '\n';
  return text + "\x1b[?7h";
}

void Progress::Print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), out_);
  std::fflush(out_);
}

}  // namespace lethe::tools
