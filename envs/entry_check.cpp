#include "envs/entry_check.h"

#include <algorithm>
#include <regex>

namespace lethe::envs {
namespace {

void Require(bool holds, const Entry& entry, const std::string& otherwise) {
  if (!holds) throw std::invalid_argument(fmt::format("{}: {}", entry.id, otherwise));
}

void CheckId(const Entry& entry) {
  static const std::regex kForm("[A-Z][A-Za-z0-9]*(-[A-Za-z0-9]+)*");
  const std::string end = fmt::format("-v{}", entry.version);
  Require(std::regex_match(entry.id, kForm) && entry.id.starts_with(entry.family + "-") && entry.id.ends_with(end),
          entry,
          fmt::format("no id of the family `{}`; allowed: {}{}, {}-Word{}", entry.family, entry.family, end,
                      entry.family, end));
}

void CheckNames(const Entry& entry, const std::vector<std::string>& names) {
  for (auto name = names.begin(); name != names.end(); ++name) {
    Require(!name->empty(), entry, "it has an action without a name");
    Require(std::find(names.begin(), name, *name) == name, entry, fmt::format("it has two actions \"{}\"", *name));
  }
}

void CheckCells(const Entry& entry, const Spec& spec) {
  Require(spec.cells >= 0 && 2 * static_cast<size_t>(spec.cells) <= spec.tokens.size(), entry,
          fmt::format("its spec says {} cells of two tokens each, but {} tokens", spec.cells, spec.tokens.size()));
  for (size_t i = 2; i < 2 * static_cast<size_t>(spec.cells); ++i)
    Require(spec.tokens[i].vocabulary == spec.tokens[i % 2].vocabulary, entry,
            fmt::format("the token \"{}\" of a cell has {} values, that of the first cell {}", spec.tokens[i].meaning,
                        spec.tokens[i].vocabulary, spec.tokens[i % 2].vocabulary));
}

void CheckSpec(const Entry& entry, const Spec& spec) {
  Require(spec.family == entry.family && spec.version == entry.version, entry,
          fmt::format("its spec is that of {} version {}", spec.family, spec.version));
  Require(spec.num_actions >= 1 && spec.num_actions <= 256, entry,
          fmt::format("it has {} actions; allowed: 1..256", spec.num_actions));
  Require(spec.action_names.size() == static_cast<size_t>(spec.num_actions), entry,
          fmt::format("it has {} actions, but names for {}", spec.num_actions, spec.action_names.size()));
  CheckNames(entry, spec.action_names);
  Require(!spec.tokens.empty(), entry, "its observation has no token");
  std::vector<TokenSpec> tokens = spec.tokens;
  tokens.insert(tokens.end(), spec.explanation.begin(), spec.explanation.end());
  for (const TokenSpec& token : tokens) {
    Require(!token.meaning.empty(), entry, "it has a token without a meaning");
    Require(token.vocabulary >= 2 && token.vocabulary <= 256, entry,
            fmt::format("the token \"{}\" has {} values; allowed: 2..256", token.meaning, token.vocabulary));
    Require(token.values.size() <= static_cast<size_t>(token.vocabulary), entry,
            fmt::format("the token \"{}\" has {} values, but names for {}", token.meaning, token.vocabulary,
                        token.values.size()));
  }
  CheckCells(entry, spec);
  Require(std::ranges::find(spec.metric_names, spec.score_metric) != spec.metric_names.end(), entry,
          fmt::format("its score metric {} is not among its metrics", spec.score_metric));
  Require(spec.metric_names.back() == "steps", entry, "its last metric is not \"steps\"");
}

void CheckCurriculum(const Entry& entry, const Spec& spec, const Params& params) {
  if (spec.curriculum_parameter.empty()) return;
  const Json values = params.ToJson();
  Require(values.contains(spec.curriculum_parameter) && values[spec.curriculum_parameter].is_number_integer(), entry,
          fmt::format("its curriculum parameter {} is none of its integer parameters", spec.curriculum_parameter));
  Require(spec.curriculum_min <= spec.curriculum_max, entry,
          fmt::format("its curriculum goes from {} to {}", spec.curriculum_min, spec.curriculum_max));
}

void CheckTokens(const Entry& entry, const std::vector<TokenSpec>& specs, const std::vector<uint8_t>& tokens,
                 const std::string& of = "") {
  for (size_t i = 0; i < tokens.size(); ++i) {
    Require(tokens[i] < specs[i].vocabulary, entry,
            fmt::format("token {}{} is {}; its spec says 0..{}", i, of, tokens[i], specs[i].vocabulary - 1));
  }
}

// Memory for some tokens and more, that tells what was written.
struct Canvas {
  Canvas(size_t tokens, uint8_t filled_with)
      : num_tokens(static_cast<ptrdiff_t>(tokens)), fill(filled_with), bytes(tokens + 64, filled_with) {}

  bool GuardUntouched() const {
    return std::all_of(bytes.begin() + num_tokens, bytes.end(), [&](uint8_t byte) { return byte == fill; });
  }
  // The tokens; fills the memory again.
  std::vector<uint8_t> Take() {
    std::vector<uint8_t> tokens(bytes.begin(), bytes.begin() + num_tokens);
    std::ranges::fill(bytes, fill);
    return tokens;
  }

  ptrdiff_t num_tokens;
  uint8_t fill;
  std::vector<uint8_t> bytes;
};

// The tokens of a start and a step over memory full of `fill`.
std::vector<uint8_t> Play(const Entry& entry, EnvBatch& batch, uint8_t fill) {
  Canvas canvas(batch.spec().tokens.size(), fill);
  uint8_t action = 0, terminated = 0, truncated = 0, episode_start = 0;
  float reward = 0;
  const auto take = [&] {
    Require(canvas.GuardUntouched(), entry,
            fmt::format("it writes more than the {} tokens of its spec", canvas.num_tokens));
    return canvas.Take();
  };
  batch.Reset(canvas.bytes.data());
  std::vector<uint8_t> played = take();
  CheckTokens(entry, batch.spec().tokens, played);
  batch.Oracle(&action);
  batch.Step(&action, {canvas.bytes.data(), &reward, &terminated, &truncated, &episode_start});
  const std::vector<uint8_t> stepped = take();
  CheckTokens(entry, batch.spec().tokens, stepped);
  played.insert(played.end(), stepped.begin(), stepped.end());
  return played;
}

// What the scout explains at the start, over memory full of `fill`.
std::vector<uint8_t> Explained(const Entry& entry, EnvBatch& batch, uint8_t fill) {
  std::vector<uint8_t> observation(batch.spec().tokens.size());
  Canvas canvas(batch.spec().explanation.size(), fill);
  uint8_t action = 0;
  batch.Reset(observation.data());
  batch.Scout(&action);
  batch.Explain(canvas.bytes.data());
  Require(canvas.GuardUntouched(), entry,
          fmt::format("its scout explains more than the {} tokens of its spec", canvas.num_tokens));
  const auto tokens = canvas.Take();
  CheckTokens(entry, batch.spec().explanation, tokens, " of the explanation");
  return tokens;
}

void CheckExplanation(const Entry& entry, const Params& params) {
  const auto batch = entry.make_batch(params, {}), again = entry.make_batch(params, {});
  if (batch->spec().explanation.empty()) return;
  Require(batch->HasScout(), entry, "its spec has an explanation, but it has no scout");
  const auto explained = Explained(entry, *batch, 0), repeated = Explained(entry, *again, 1);
  const auto place = std::ranges::mismatch(explained, repeated).in1 - explained.begin();
  Require(explained == repeated, entry, fmt::format("token {} of the explanation is not written", place));
}

// Twice, over bytes that are both tokens everywhere: what is not written differs.
void CheckPlay(const Entry& entry, const Params& params) {
  const auto batch = entry.make_batch(params, {}), again = entry.make_batch(params, {});
  const auto played = Play(entry, *batch, 0), repeated = Play(entry, *again, 1);
  const auto place = std::ranges::mismatch(played, repeated).in1 - played.begin();
  Require(played == repeated, entry,
          fmt::format("token {} is not written, or not the same with the same seed", place % batch->num_tokens()));
}

}  // namespace

void CheckEntry(const Entry& entry) {
  CheckId(entry);
  Require(!entry.rules.empty(), entry, "it states no rules");
  Require(entry.make_params && entry.make_batch, entry, "it cannot be made");
  const auto params = entry.make_params();
  Require(params != nullptr, entry, "it makes no parameters");
  params->Check();
  const auto batch = entry.make_batch(*params, {});
  Require(batch != nullptr, entry, "it makes no batch");
  CheckSpec(entry, batch->spec());
  CheckCurriculum(entry, batch->spec(), *params);
  CheckPlay(entry, *params);
  CheckExplanation(entry, *params);
}

}  // namespace lethe::envs
