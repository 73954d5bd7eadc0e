#include "envs/page.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "envs/registry.h"

namespace lethe::envs {
namespace {

using Row = std::vector<std::string>;

// A Markdown table whose columns stand under each other; the last one, often long, is not padded.
std::string Table(const std::vector<Row>& rows) {
  Row::size_type columns = rows[0].size();
  std::vector<size_t> widths(columns, 3);
  for (const Row& row : rows) {
    for (size_t c = 0; c + 1 < columns; ++c) widths[c] = std::max(widths[c], row[c].size());
  }
  std::string text;
  const auto add = [&](const Row& row) {
    for (size_t c = 0; c < columns; ++c) text += fmt::format("| {:{}} ", row[c], c + 1 < columns ? widths[c] : 0);
    text += "|\n";
  };
  add(rows[0]);
  for (size_t c = 0; c < columns; ++c) text += '|' + std::string(c + 1 < columns ? widths[c] + 2 : 3, '-');
  text += "|\n";
  std::for_each(rows.begin() + 1, rows.end(), add);
  return text;
}

// 0.50000 says as little as 0.5, and a number below 10^-5 is as good as 0.
std::string ScoreText(double score) { return fmt::format("{:.5g}", std::abs(score) < 1e-5 ? 0 : score); }

std::string ChangesText(const Entry& entry) {
  std::vector<std::string> changes;
  for (const Change& change : entry.changes) {
    const bool is_word = change.value.is_string();
    changes.push_back(change.name + " " + (is_word ? change.value.get<std::string>() : change.value.dump()));
  }
  return changes.empty() ? "none" : fmt::format("{}", fmt::join(changes, ", "));
}

Row ScoreRow(const Entry& entry) {
  const Scores& s = entry.scores;
  return {entry.id, ScoreText(s.oracle), ScoreText(s.memoryless), ScoreText(s.random), std::to_string(entry.horizon)};
}

std::vector<const Entry*> FamilyOf(const Entry& entry) {
  std::vector<const Entry*> family;
  for (const std::string& id : Ids()) {
    const Entry& other = Find(id);
    if (other.family == entry.family && other.version == entry.version) family.push_back(&other);
  }
  return family;
}

std::string Variants(const Entry& entry) {
  std::vector<Row> rows = {{"id", "oracle", "no memory", "random", "horizon", "changes"}};
  for (const Entry* variant : FamilyOf(entry)) {
    Row row = ScoreRow(*variant);
    row.push_back(ChangesText(*variant));
    rows.push_back(row);
  }
  return Table(rows);
}

std::string Actions(const Spec& spec) {
  std::vector<Row> rows = {{"action", "meaning"}};
  for (size_t i = 0; i < spec.action_names.size(); ++i) rows.push_back({std::to_string(i), spec.action_names[i]});
  return Table(rows);
}

std::string Tokens(const std::vector<TokenSpec>& tokens) {
  std::vector<Row> rows = {{"token", "values", "meaning"}};
  for (size_t i = 0; i < tokens.size(); ++i)
    rows.push_back({std::to_string(i), fmt::format("0..{}", tokens[i].vocabulary - 1), tokens[i].meaning});
  return Table(rows);
}

std::string Explanation(const Spec& spec) {
  if (spec.explanation.empty()) return "";
  return "\nWhat the scout tells of its aims, for policies that learn to tell it too (`clone.explain_weight`):\n\n" +
         Tokens(spec.explanation);
}

struct OptionRows {
  std::vector<Row> rows = {{"option", "default", "allowed", "meaning"}};

  void operator()(const char* name, int64_t& value, const configs::Range& range, const char* meaning) {
    rows.push_back({name, std::to_string(value), "integer, " + configs::Describe(range), meaning});
  }
  void operator()(const char* name, double& value, const configs::Range& range, const char* meaning) {
    rows.push_back({name, fmt::format("{}", value), "number, " + configs::Describe(range), meaning});
  }
  void operator()(const char* name, bool& value, const configs::Any&, const char* meaning) {
    rows.push_back({name, fmt::format("{}", value), "true or false", meaning});
  }
  void operator()(const char* name, std::string& value, const configs::OneOf& allowed, const char* meaning) {
    rows.push_back({name, value, configs::Describe(allowed), meaning});
  }
  void operator()(const char* name, std::string& value, const configs::Any&, const char* meaning) {
    rows.push_back({name, value, "text", meaning});
  }
};

std::string Metrics(const Spec& spec) {
  std::string text = fmt::format("Reported when an episode ends: {}. Agents are compared by **{}**.\n",
                                 fmt::join(spec.metric_names, ", "), spec.score_metric);
  if (spec.curriculum_parameter.empty() || spec.curriculum_min == spec.curriculum_max) return text;
  return text + fmt::format("A curriculum drives `{}`, {}..{}.\n", spec.curriculum_parameter, spec.curriculum_min,
                            spec.curriculum_max);
}

std::string Body(const Entry& entry) {
  const auto params = entry.make_params();
  const auto batch = entry.make_batch(*params, {});
  const Spec& spec = batch->spec();
  OptionRows options;
  params->Visit(options);
  return entry.rules + "\n## Variants\n\n" + Variants(entry) +
         "\nScores of the oracle, of the best policy that sees only the present observation, and of random actions;\n"
         "horizon: steps from the last sight of a fact to its use, at the most.\n" +
         fmt::format("\n## Actions and observation of {}\n\n", entry.id) + Actions(spec) + "\n" + Tokens(spec.tokens) +
         Explanation(spec) + "\n" + Metrics(spec) + fmt::format("\n## Options of {}\n\n", entry.id) +
         Table(options.rows);
}

std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

constexpr const char* kIndexHead = R"(# Environments

Written by `lethe envs docs` from the code. Every score is held by a test: the oracle over 1,000 levels, random actions,
and a policy without memory that may not beat the bound; nor may any that is found by a search over policies that see
only the present observation, run wherever episodes have at most 2,000 steps and 100,000 different observations.
The horizon is the number of steps from the last sight of a fact to its use, at the most (Instruction: the most seen).
)";

std::string Index() {
  std::string text = kIndexHead;
  std::set<std::string> seen;
  for (const std::string& id : Ids()) {
    const Entry& entry = Find(id);
    if (!seen.insert(entry.family).second) continue;
    std::vector<Row> rows = {{"id", "oracle", "no memory", "random", "horizon"}};
    for (const Entry* variant : FamilyOf(entry)) rows.push_back(ScoreRow(*variant));
    text += fmt::format("\n## [{}]({}.md)\n\n{}\n\n{}", entry.family, SnakeCase(entry.family), FirstLine(entry.rules),
                        Table(rows));
  }
  return text;
}

}  // namespace

std::string SnakeCase(const std::string& family) {
  std::string snake;
  bool is_upper = false;  // the letter before
  for (const char letter : family) {
    const bool is_new_word = !snake.empty() && std::isupper(static_cast<unsigned char>(letter)) && !is_upper;
    is_upper = std::isupper(static_cast<unsigned char>(letter)) != 0;
    if (is_new_word) snake += '_';
    snake += static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  }
  return snake;
}

std::string Page(const std::string& id) { return fmt::format("# {}\n\n{}", id, Body(Find(id))); }

std::vector<PageFile> PageFiles() {
  std::vector<PageFile> files = {{"README.md", Index()}};
  std::set<std::string> seen;
  for (const std::string& id : Ids()) {
    const Entry& entry = Find(id);
    if (!seen.insert(entry.family).second) continue;
    files.push_back({SnakeCase(entry.family) + ".md", fmt::format("# {}\n\n{}", entry.family, Body(entry))});
  }
  return files;
}

}  // namespace lethe::envs
