#include "envs/golden.h"

#include <fstream>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "envs/golden_episode.h"
#include "envs/registry.h"

namespace lethe::envs {
namespace {

Transition PlayStep(EnvBatch& batch, uint8_t action) {
  Tokens obs(batch.num_tokens());
  float reward = 0;
  uint8_t terminated = 0, truncated = 0, episode_start = 0;
  batch.Step(&action, {obs.data(), &reward, &terminated, &truncated, &episode_start});
  return {action, obs, reward, terminated != 0, truncated != 0};
}

std::map<std::string, double> MetricsOf(const EnvBatch& batch) {
  std::map<std::string, double> metrics;
  const auto values = batch.EpisodeMetrics(0);
  for (size_t i = 0; i < values.size(); ++i) metrics[batch.spec().metric_names[i]] = values[i];
  return metrics;
}

// Plays the episode that the batch has just started, until it ends or next_action gives none.
template <class NextAction>
Episode Play(EnvBatch& batch, NextAction&& next_action) {
  Episode episode;
  episode.level = Json::parse(batch.LevelJson(0));
  episode.first_obs.resize(batch.num_tokens());
  batch.Observe(episode.first_obs.data());
  const Tokens* obs = &episode.first_obs;
  while (const std::optional<uint8_t> action = next_action(*obs)) {
    episode.steps.push_back(PlayStep(batch, *action));
    obs = &episode.steps.back().obs;
    if (!episode.steps.back().IsEnd()) continue;
    episode.metrics = MetricsOf(batch);
    break;
  }
  return episode;
}

std::unique_ptr<EnvBatch> BatchFor(const Json& level) {
  const Json& family = Field(level, "env");
  if (!family.is_string()) throw std::invalid_argument(fmt::format("env is {}; allowed: text", family.dump()));
  const int64_t version = IntegerField(level, "version", 0, 1'000'000);
  const Entry& entry = FindFamily(family, static_cast<int>(version));
  const auto params = entry.make_params();
  params->FromJson(Field(level, "params"));
  auto batch = entry.make_batch(*params, {.size = 1});
  batch->LoadLevel(0, level.dump());
  return batch;
}

Episode Replay(const Episode& given) {
  const auto batch = BatchFor(given.level);
  size_t t = 0;
  return Play(*batch, [&](const Tokens&) -> std::optional<uint8_t> {
    if (t == given.steps.size()) return std::nullopt;
    return given.steps[t++].action;
  });
}

// A level that cannot be played here is a difference too.
std::string ReplayDifference(const Episode& expected) {
  try {
    return FirstDifference(expected, Replay(expected));
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
}

Episode ReadEpisodeAt(const std::string& path, int line, const std::string& text) {
  try {
    return ReadEpisode(text);
  } catch (const std::invalid_argument& error) {
    throw std::runtime_error(fmt::format("{}:{}: {}", path, line, error.what()));
  }
}

template <class Visit>
void ForEachEpisode(const std::string& path, Visit&& visit) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error(path + ": cannot be opened");
  std::string text;
  bool is_empty = true;
  for (int line = 1; std::getline(file, text); ++line) {
    if (text.find_first_not_of(" \t\r") == std::string::npos) continue;
    visit(line, ReadEpisodeAt(path, line, text));
    is_empty = false;
  }
  if (is_empty) throw std::runtime_error(path + ": holds no episode");
}

}  // namespace

ReplayReport ReplayFile(const std::string& path) {
  ReplayReport report;
  ForEachEpisode(path, [&](int line, const Episode& episode) {
    const std::string difference = ReplayDifference(episode);
    ++report.total;
    if (difference.empty()) ++report.matched;
    if (!difference.empty() && report.first_difference.empty()) {
      report.first_difference = fmt::format("line {} \"{}\": {}", line, episode.id, difference);
    }
  });
  return report;
}

void PlayFile(const std::string& path, const std::function<void(const std::string&)>& show) {
  ForEachEpisode(path, [&](int line, const Episode& episode) {
    const auto batch = BatchFor(episode.level);
    show(fmt::format("line {}: {}\n\n{}", line, episode.id, batch->Text(0)));
    size_t t = 0;
    bool is_over = false;
    for (const Transition& given : episode.steps) {
      if (std::exchange(is_over, false)) return show("\nthe episode is over, but the file goes on\n\n");
      const Transition step = PlayStep(*batch, given.action);
      is_over = step.IsEnd();
      const char* end = step.terminated ? ", terminated" : step.truncated ? ", truncated" : "";
      show(fmt::format("\nstep {}: {}, reward {}{}\n{}", ++t, batch->spec().action_names.at(given.action),
                       static_cast<float>(step.reward), end, batch->Text(0)));
    }
    show("\n");
  });
}

uint8_t ActAsOracle(const EnvBatch& batch, std::span<const uint8_t>) {
  uint8_t action = 0;
  batch.Oracle(&action);
  return action;
}

std::string RecordEpisode(const std::string& id, EnvBatch& batch, const Policy& policy) {
  if (batch.size() != 1) throw std::invalid_argument(fmt::format("batch size is {}; allowed: 1", batch.size()));
  Tokens obs(batch.num_tokens());
  batch.Reset(obs.data());
  Episode episode = Play(batch, [&](const Tokens& seen) -> std::optional<uint8_t> { return policy(batch, seen); });
  episode.id = id;
  return WriteEpisode(episode);
}

}  // namespace lethe::envs
