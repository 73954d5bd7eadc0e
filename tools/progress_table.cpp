#include "tools/progress_table.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

namespace lethe::tools {
namespace {

constexpr int kWidth = 80;
constexpr int kLabelWidth = 9;
constexpr size_t kMaxLayersWithBars = 6;  // more rows than this would push the table off a small screen

enum class Paint { kPlain, kBold, kDim, kGreen, kYellow, kBlue, kMagenta, kCyan };

/// Paints text, or leaves it alone.
class Painter {
 public:
  explicit Painter(bool colours) : colours_(colours) {}

  std::string operator()(Paint paint, std::string_view text) const {
    constexpr std::array kCodes = {"0", "1", "2", "32", "33", "34", "35", "36"};
    if (!colours_ || paint == Paint::kPlain) return std::string(text);
    return fmt::format("\x1b[{}m{}\x1b[0m", kCodes[static_cast<size_t>(paint)], text);
  }

 private:
  bool colours_;
};

std::string Repeated(std::string_view text, int count) {
  std::string repeated;
  for (int i = 0; i < count; ++i) repeated += text;
  return repeated;
}

std::string Number(double value, std::string_view format) {
  return std::isfinite(value) ? fmt::format(fmt::runtime(format), value) : "-";
}

std::string Percent(double share) { return std::isfinite(share) ? fmt::format("{:.0f} %", 100 * share) : "-"; }

std::string WithThousands(double value) {
  if (!std::isfinite(value)) return "-";
  std::string digits = fmt::format("{:.0f}", value);
  for (int at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3) digits.insert(static_cast<size_t>(at), ",");
  return digits;
}

/// Three significant digits and the largest unit that leaves something before the point.
std::string WithUnit(double value, const std::vector<std::string_view>& units) {
  size_t unit = 0;
  for (; value >= 999.5 && unit + 1 < units.size(); ++unit) value /= 1000;
  const int decimals = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return fmt::format("{:.{}f}{}", value, decimals, units[unit]);
}

Paint PaintOf(const std::string& phase) { return phase == "consolidate" ? Paint::kMagenta : Paint::kCyan; }

/// `right` ends at the last column; one space at least stays between the two.
std::string LeftAndRight(const std::string& left, const std::string& right) {
  return left + std::string(static_cast<size_t>(std::max(1, kWidth - VisibleWidth(left) - VisibleWidth(right))), ' ') +
         right;
}

/// Words side by side, in as many rows as they need behind a label.
std::vector<std::string> Wrapped(const std::string& label, const std::vector<std::string>& words) {
  std::vector<std::string> rows;
  std::string row = label;
  for (const std::string& word : words) {
    const bool first = VisibleWidth(row) <= kLabelWidth;
    if (!first && VisibleWidth(row) + 3 + VisibleWidth(word) > kWidth) {
      rows.push_back(row);
      row = std::string(kLabelWidth, ' ') + word;
    } else {
      row += (first ? "" : "   ") + word;
    }
  }
  rows.push_back(row);
  return rows;
}

class Table {
 public:
  Table(const ProgressLine& line, bool colours) : line_(line), paint_(colours) {}

  std::vector<std::string> Rows(const std::vector<double>& scores) {
    AddBar();
    AddSteps();
    AddScore(scores);
    if (!line_.living_memories.empty()) AddMemory();
    if (std::isfinite(line_.share_envs)) AddTime();
    if (!line_.losses.empty()) AddLosses();
    for (std::string& row : rows_) row.erase(row.find_last_not_of(' ') + 1);
    return std::move(rows_);
  }

 private:
  std::string Label(std::string_view text) const {
    return " " + paint_(Paint::kDim, fmt::format("{:<{}}", text, kLabelWidth - 1));
  }

  void AddBar() {
    const double done = ShareDone(line_), left = SecondsLeft(line_);
    const std::string phase = fmt::format(" {:<12}", line_.phase);
    const std::string right =
        fmt::format("  {:>5}  {:>12}", Percent(done), std::isfinite(left) ? FormatDuration(left) + " left" : "");
    const std::string bar = FormatBar(std::isfinite(done) ? done : 0, kWidth - VisibleWidth(phase + right));
    rows_.push_back(paint_(Paint::kBold, phase) + paint_(PaintOf(line_.phase), bar) + paint_(Paint::kBold, right));
  }

  void AddSteps() {
    const auto steps = FormatCount(static_cast<double>(line_.env_steps));
    const auto total = line_.total_steps > 0 ? " of " + FormatCount(static_cast<double>(line_.total_steps)) : "";
    rows_.push_back(
        LeftAndRight(fmt::format("{}{}{}   {} steps/s", Label("steps"), steps, total, WithThousands(line_.steps_per_s)),
                     fmt::format("{} so far", FormatDuration(line_.seconds))));
  }

  void AddScore(const std::vector<double>& scores) {
    const std::string score = paint_(Paint::kBold, fmt::format("{:<8}", Number(line_.score, "{:.3f}")));
    const std::string curriculum =
        std::isfinite(line_.curriculum) ? fmt::format("{} {:.4g}", line_.curriculum_name, line_.curriculum) : "";
    rows_.push_back(LeftAndRight(Label("score") + score + paint_(Paint::kGreen, FormatCurve(scores, 32)), curriculum));
  }

  void AddMemory() {
    const std::vector<double>& living = line_.living_memories;
    std::string label = Label("living");
    if (living.size() > kMaxLayersWithBars) {
      std::vector<std::string> words;
      for (const double memories : living) words.push_back(Number(memories, "{:.1f}"));
      if (std::isfinite(line_.never_forgetting)) words.push_back(fmt::format("of {:.1f}", line_.never_forgetting));
      for (auto& row : Wrapped(label, words)) rows_.push_back(std::move(row));
    }
    for (size_t layer = 0; layer < living.size() && living.size() <= kMaxLayersWithBars; ++layer) {
      rows_.push_back(label + LayerRow(layer + 1, living[layer]));
      label = std::string(kLabelWidth, ' ');
    }
    if (std::isfinite(line_.memory_bytes)) rows_.back() = LeftAndRight(rows_.back(), FormatBytes(line_.memory_bytes));
  }

  std::string LayerRow(size_t layer, double memories) const {
    const double share = memories / line_.never_forgetting;
    const std::string bar = std::isfinite(share) ? FormatBar(share, 24) : std::string(24, ' ');
    const std::string of =
        std::isfinite(share) ? fmt::format(" of {:.1f} ({})", line_.never_forgetting, Percent(share)) : "";
    return fmt::format("layer {}  {}  {}{}", layer, paint_(Paint::kBlue, bar), Number(memories, "{:.1f}"), of);
  }

  void AddTime() {
    struct Part {
      const char* name;
      double share;
      const char* glyph;
      Paint paint;
    };
    const std::array parts = {Part{"envs", line_.share_envs, "█", Paint::kGreen},
                              Part{"acting", line_.share_acting, "▓", Paint::kCyan},
                              Part{"learning", line_.share_learning, "▒", Paint::kMagenta},
                              Part{"waiting", line_.share_waiting, "░", Paint::kDim}};
    constexpr int kBarWidth = 18;
    std::string bar, names;
    double sum = 0;
    int drawn = 0;
    for (const Part& part : parts) {
      sum += std::isfinite(part.share) ? part.share : 0;
      const int end = std::clamp(static_cast<int>(std::lround(sum * kBarWidth)), drawn, kBarWidth);
      bar += paint_(part.paint, Repeated(part.glyph, end - drawn));
      drawn = end;
      names += "  " + paint_(part.paint, part.name) + " " + Percent(part.share);
    }
    rows_.push_back(Label("time") + bar + std::string(static_cast<size_t>(kBarWidth - drawn), ' ') + names);
  }

  void AddLosses() {
    std::vector<std::string> words;
    for (const auto& [name, value] : line_.losses)
      words.push_back(fmt::format("{} {}", paint_(Paint::kDim, name), Number(value, "{:.3g}")));
    for (auto& row : Wrapped(Label("loss"), words)) rows_.push_back(std::move(row));
  }

  const ProgressLine& line_;
  const Painter paint_;
  std::vector<std::string> rows_;
};

constexpr const char* kPlainColumns = "{:<12}{:>9}{:>7}{:>9}{:>9}{:>10}{:>8}{:>12}  {:<22}{:>9}  {:<19}  {}";

std::string PlainMemories(const ProgressLine& line) {
  std::string text;
  for (const double memories : line.living_memories) text += Number(memories, "{:.1f}") + " ";
  if (text.empty()) return "-";
  return std::isfinite(line.never_forgetting) ? fmt::format("{}of {:.1f}", text, line.never_forgetting) : text;
}

std::string PlainShares(const ProgressLine& line) {
  if (!std::isfinite(line.share_envs)) return "-";
  return fmt::format("{:.0f}/{:.0f}/{:.0f}/{:.0f} %", 100 * line.share_envs, 100 * line.share_acting,
                     100 * line.share_learning, 100 * line.share_waiting);
}

}  // namespace

double ShareDone(const ProgressLine& line) {
  double done = kUnknown;  // fmax ignores it as long as it is NaN
  if (line.total_steps > 0) done = static_cast<double>(line.env_steps) / static_cast<double>(line.total_steps);
  if (line.total_seconds > 0) done = std::fmax(done, line.seconds / line.total_seconds);
  return std::isnan(done) ? done : std::clamp(done, 0.0, 1.0);
}

double SecondsLeft(const ProgressLine& line) {
  if (std::isfinite(line.eta_seconds)) return line.eta_seconds;
  const double done = ShareDone(line);
  return done > 0 ? line.seconds * (1 - done) / done : kUnknown;
}

std::vector<std::string> FormatTable(const ProgressLine& line, const std::vector<double>& scores, bool colours) {
  return Table(line, colours).Rows(scores);
}

std::string FormatPlainHeader() {
  return fmt::format(fmt::runtime(kPlainColumns), "phase", "steps", "done", "time", "left", "steps/s", "score",
                     "curriculum", "living memories", "memory", "env/act/learn/wait", "losses");
}

std::string FormatPlain(const ProgressLine& line) {
  std::string losses;
  for (const auto& [name, value] : line.losses)
    losses += fmt::format("{}{}={}", losses.empty() ? "" : " ", name, Number(value, "{:.3g}"));
  return fmt::format(fmt::runtime(kPlainColumns), line.phase, FormatCount(static_cast<double>(line.env_steps)),
                     Percent(ShareDone(line)), FormatDuration(line.seconds), FormatDuration(SecondsLeft(line)),
                     WithThousands(line.steps_per_s), Number(line.score, "{:.3f}"), Number(line.curriculum, "{:.4g}"),
                     PlainMemories(line), FormatBytes(line.memory_bytes), PlainShares(line), losses);
}

std::string FormatCount(double count) {
  if (!std::isfinite(count)) return "-";
  return count < 9999.5 ? WithThousands(count) : WithUnit(count, {"", " k", " M", " G", " T"});
}

std::string FormatDuration(double seconds) {
  if (!std::isfinite(seconds)) return "-";
  const auto whole = static_cast<int64_t>(std::llround(std::max(0.0, seconds)));
  const int64_t hours = whole / 3600, minutes = whole / 60 % 60, rest = whole % 60;
  return hours > 0 ? fmt::format("{}:{:02d}:{:02d}", hours, minutes, rest) : fmt::format("{}:{:02d}", minutes, rest);
}

std::string FormatBytes(double bytes) {
  return std::isfinite(bytes) ? WithUnit(bytes, {" B", " kB", " MB", " GB", " TB"}) : "-";
}

std::string FormatBar(double share, int width) {
  const int halves = static_cast<int>(std::lround(std::clamp(share, 0.0, 1.0) * 2 * width));
  const bool has_half = halves % 2 == 1;
  return Repeated("━", halves / 2) + (has_half ? "╸" : "") + Repeated("─", width - halves / 2 - (has_half ? 1 : 0));
}

std::string FormatCurve(const std::vector<double>& values, int width) {
  constexpr std::array kLevels = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  std::vector<double> finite;
  std::copy_if(values.begin(), values.end(), std::back_inserter(finite),
               [](double value) { return std::isfinite(value); });
  if (finite.empty()) return "";
  const size_t cells = std::min(finite.size(), static_cast<size_t>(width));
  std::vector<double> means(cells);
  for (size_t cell = 0; cell < cells; ++cell) {
    const size_t begin = cell * finite.size() / cells, end = (cell + 1) * finite.size() / cells;
    for (size_t i = begin; i < end; ++i) means[cell] += finite[i] / static_cast<double>(end - begin);
  }
  const auto [low, high] = std::minmax_element(means.begin(), means.end());
  std::string curve;
  for (const double mean : means) {
    const double height = *high > *low ? (mean - *low) / (*high - *low) : 0.5;
    curve += kLevels[static_cast<size_t>(std::lround(height * (kLevels.size() - 1)))];
  }
  return curve;
}

int VisibleWidth(std::string_view text) {
  int width = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool colour = text.substr(i, 2) == "\x1b[";
    if (colour)
      i = std::min(text.find('m', i), text.size() - 1);
    else if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80)
      ++width;  // not inside a character
  }
  return width;
}

}  // namespace lethe::tools
