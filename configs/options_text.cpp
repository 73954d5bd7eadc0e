// The texts made of all options: the resolved YAML file and the help table.
#include <algorithm>

#include <fmt/format.h>

#include "configs/options.h"
#include "configs/utf8.h"

namespace lethe::configs {
namespace {

std::string Leaf(const std::string& dotted) { return dotted.substr(dotted.rfind('.') + 1); }

std::string PadTo(size_t width, const std::string& text) {
  const size_t length = CountCharacters(text);
  return length < width ? text + std::string(width - length, ' ') : text;
}

// Comments of one section stand below each other, unless a long value pushes its own out.
constexpr size_t kMaxCommentColumn = 40;

// "lr: 0.001" and "learning rate" to one line of YAML.
struct YamlLine {
  std::string text;
  std::string comment;
};

std::string WithAlignedComments(const std::vector<YamlLine>& lines) {
  size_t column = 0;
  for (const YamlLine& line : lines) column = std::max(column, CountCharacters(line.text));
  column = std::min(column, kMaxCommentColumn);
  std::string text;
  for (const YamlLine& line : lines) text += fmt::format("{}  # {}\n", PadTo(column, line.text), line.comment);
  return text;
}

// The help table. A cell wider than its column moves the rest of its row to the next line.
struct Row {
  std::string name, default_text, allowed, meaning;
};

struct Widths {
  size_t name = 0, default_text = 0, allowed = 0;
};

constexpr size_t kMaxColumnWidth = 32;
constexpr size_t kPageWidth = 120;
constexpr size_t kMinMeaningWidth = 40;

Widths WidthsOf(const std::vector<Row>& rows) {
  Widths widths;
  const auto grow = [](size_t& width, const std::string& cell) {
    if (const size_t length = CountCharacters(cell); length <= kMaxColumnWidth) width = std::max(width, length);
  };
  for (const Row& row : rows) {
    grow(widths.name, row.name);
    grow(widths.default_text, row.default_text);
    grow(widths.allowed, row.allowed);
  }
  return widths;
}

std::string Cell(const std::string& text, size_t width, size_t next_column) {
  if (CountCharacters(text) <= width) return PadTo(width, text) + "  ";
  return fmt::format("{}\n{:{}}", text, "", next_column);
}

// Breaks at spaces; following lines start at `column`.
std::string Wrapped(const std::string& text, size_t column) {
  const size_t width = std::max(kMinMeaningWidth, kPageWidth - std::min(kPageWidth, column));
  std::string out;
  size_t used = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, end - at);
    const size_t length = CountCharacters(word);
    if (used > 0 && used + 1 + length > width) {
      out += fmt::format("\n{:{}}", "", column);
      used = 0;
    }
    if (used > 0) out += ' ';
    out += word;
    used += length + (used > 0);
    at = end + 1;
  }
  return out;
}

std::string ToLine(const Row& row, const Widths& widths) {
  const size_t default_column = widths.name + 2;
  const size_t allowed_column = default_column + widths.default_text + 2;
  const size_t meaning_column = allowed_column + widths.allowed + 2;
  std::string line = Cell(row.name, widths.name, default_column);
  line += Cell(row.default_text, widths.default_text, allowed_column);
  line += Cell(row.allowed, widths.allowed, meaning_column);
  line += Wrapped(row.meaning, meaning_column);
  return line + "\n";
}

}  // namespace

std::vector<const Option*> Options::OptionsOf(size_t section) const {
  std::vector<const Option*> found;
  for (const Option& option : options_) {
    if (option.section == section) found.push_back(&option);
  }
  return found;
}

std::vector<size_t> Options::SubsectionsOf(size_t section) const {
  std::vector<size_t> found;
  for (size_t i = 1; i < sections_.size(); ++i) {
    if (sections_[i].parent == section) found.push_back(i);
  }
  return found;
}

std::string Options::ToYaml() const { return YamlOf(0, 0); }

std::string Options::YamlOf(size_t section, int depth) const {
  const std::string indent(2 * depth, ' ');
  std::vector<YamlLine> lines;
  for (const Option* option : OptionsOf(section)) {
    const std::string text = fmt::format("{}{}: {}", indent, Leaf(option->name), option->ValueText());
    const bool is_free = std::holds_alternative<Any>(option->allowed);
    lines.push_back({text, option->meaning + (is_free ? "" : fmt::format(" [{}]", option->AllowedText()))});
  }
  std::string out = WithAlignedComments(lines);
  for (size_t child : SubsectionsOf(section)) {
    const std::string content = YamlOf(child, depth + 1);
    if (content.empty()) continue;  // `train:` with nothing below it would be an empty value
    if (!out.empty()) out += '\n';
    out += fmt::format("{}{}:  # {}\n{}", indent, Leaf(sections_[child].name), sections_[child].meaning, content);
  }
  return out;
}

std::string Options::Help() const {
  std::vector<Row> rows = {{"option", "default", "allowed", "meaning"}};
  for (const Option& option : options_)
    rows.push_back({option.name, option.default_text, option.AllowedText(), option.meaning});
  const Widths widths = WidthsOf(rows);

  std::string out = ToLine(rows[0], widths);
  for (size_t section = 0; section < sections_.size(); ++section) {
    const auto options = OptionsOf(section);
    if (options.empty()) continue;
    if (section > 0) out += fmt::format("\n{}: {}\n", sections_[section].name, sections_[section].meaning);
    for (const Option* option : options) out += ToLine(rows[1 + (option - options_.data())], widths);
  }
  return out;
}

}  // namespace lethe::configs
