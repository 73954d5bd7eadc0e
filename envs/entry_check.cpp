#include "envs/entry_check.h"

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

void CheckSpec(const Entry& entry, const Spec& spec) {
  Require(spec.family == entry.family && spec.version == entry.version, entry,
          fmt::format("its spec is that of {} version {}", spec.family, spec.version));
  Require(spec.num_actions >= 1 && spec.num_actions <= 256, entry,
          fmt::format("it has {} actions; allowed: 1..256", spec.num_actions));
  Require(spec.action_names.size() == static_cast<size_t>(spec.num_actions), entry,
          fmt::format("it has {} actions, but names for {}", spec.num_actions, spec.action_names.size()));
  Require(!spec.tokens.empty(), entry, "its observation has no token");
  for (const TokenSpec& token : spec.tokens) {
    Require(token.vocabulary >= 2 && token.vocabulary <= 256, entry,
            fmt::format("the token \"{}\" has {} values; allowed: 2..256", token.meaning, token.vocabulary));
  }
  Require(std::ranges::find(spec.metric_names, spec.score_metric) != spec.metric_names.end(), entry,
          fmt::format("its score metric {} is not among its metrics", spec.score_metric));
  Require(spec.metric_names.back() == "steps", entry, "its last metric is not \"steps\"");
}

void CheckTokens(const Entry& entry, const Spec& spec, const std::vector<uint8_t>& observation) {
  for (size_t i = 0; i < observation.size(); ++i) {
    Require(observation[i] < spec.tokens[i].vocabulary, entry,
            fmt::format("token {} is {}; its spec says 0..{}", i, observation[i], spec.tokens[i].vocabulary - 1));
  }
}

void CheckPlay(const Entry& entry, EnvBatch& batch) {
  std::vector<uint8_t> observation(batch.spec().tokens.size());
  uint8_t action = 0, terminated = 0, truncated = 0, episode_start = 0;
  float reward = 0;
  batch.Reset(observation.data());
  CheckTokens(entry, batch.spec(), observation);
  batch.Oracle(&action);
  batch.Step(&action, {observation.data(), &reward, &terminated, &truncated, &episode_start});
  CheckTokens(entry, batch.spec(), observation);
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
  CheckPlay(entry, *batch);
}

}  // namespace lethe::envs
