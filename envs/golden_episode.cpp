#include "envs/golden_episode.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include <fmt/format.h>

namespace lethe::envs {
namespace {

// --- Reading. Errors: std::invalid_argument with the member at fault.

const Json& ArrayField(const Json& object, const char* key, size_t size) {
  const Json& array = Field(object, key);
  if (array.is_array() && array.size() == size) return array;
  const std::string got = array.is_array() ? fmt::format("has {} items", array.size()) : "is no list";
  throw std::invalid_argument(fmt::format("{} {}; expected {}", key, got, size));
}

uint8_t ReadByte(const Json& value, const std::string& name) {
  return static_cast<uint8_t>(IntegerIn(value, name, 0, 255));
}

bool ReadFlag(const Json& value, const std::string& name) {
  if (!value.is_boolean())
    throw std::invalid_argument(fmt::format("{} is {}; allowed: true or false", name, value.dump()));
  return value.get<bool>();
}

double ReadNumber(const Json& value, const std::string& name) {
  if (!value.is_number()) throw std::invalid_argument(fmt::format("{} is {}; allowed: a number", name, value.dump()));
  return value.get<double>();
}

Tokens ReadTokens(const Json& list, const std::string& name) {
  if (!list.is_array()) throw std::invalid_argument(name + " is no list");
  Tokens tokens;
  for (const Json& token : list) tokens.push_back(ReadByte(token, fmt::format("{}[{}]", name, tokens.size())));
  return tokens;
}

std::vector<Transition> ReadSteps(const Json& line) {
  const Json& actions = Field(line, "actions");
  const size_t count = actions.is_array() ? actions.size() : 0;
  if (count == 0) throw std::invalid_argument("actions is no list, or empty");
  const Json& obs = ArrayField(line, "obs", count + 1);
  const Json& rewards = ArrayField(line, "rewards", count);
  const Json& terminated = ArrayField(line, "terminated", count);
  const Json& truncated = ArrayField(line, "truncated", count);
  std::vector<Transition> steps;
  for (size_t t = 0; t < count; ++t) {
    const auto name = [t](const char* member, size_t offset = 0) { return fmt::format("{}[{}]", member, t + offset); };
    steps.push_back({.action = ReadByte(actions[t], name("actions")),
                     .obs = ReadTokens(obs[t + 1], name("obs", 1)),
                     .reward = ReadNumber(rewards[t], name("rewards")),
                     .terminated = ReadFlag(terminated[t], name("terminated")),
                     .truncated = ReadFlag(truncated[t], name("truncated"))});
  }
  return steps;
}

Json ParseLine(const std::string& text) {
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& error) {
    throw std::invalid_argument(fmt::format("no JSON at character {}", error.byte));
  }
}

// --- Comparing. Each gives the first difference, or "".

template <class T>
std::string Compare(const std::string& what, const T& expected, const T& got) {
  return expected == got ? "" : fmt::format("{}: expected {}, got {}", what, expected, got);
}

std::string CompareObs(size_t index, const Tokens& expected, const Tokens& got) {
  if (expected.size() != got.size())
    return Compare(fmt::format("length of obs[{}]", index), expected.size(), got.size());
  const auto [at, other] = std::ranges::mismatch(expected, got);
  if (at == expected.end()) return "";
  return Compare(fmt::format("obs[{}][{}]", index, at - expected.begin()), *at, *other);
}

std::string CompareStep(size_t t, const Transition& expected, const Transition& got) {
  if (auto text = CompareObs(t + 1, expected.obs, got.obs); !text.empty()) return text;
  if (std::abs(expected.reward - got.reward) > 1e-6 * std::max(1.0, std::abs(expected.reward))) {
    return Compare("reward", expected.reward, got.reward);
  }
  if (auto text = Compare("terminated", expected.terminated, got.terminated); !text.empty()) return text;
  return Compare("truncated", expected.truncated, got.truncated);
}

std::string CompareMetrics(const std::map<std::string, double>& expected, const std::map<std::string, double>& got) {
  for (const auto& [name, value] : expected) {
    if (!got.contains(name)) return fmt::format("metrics: {} is not reported", name);
    // Batches report float.
    if (auto text = Compare("metrics: " + name, static_cast<float>(value), static_cast<float>(got.at(name)));
        !text.empty())
      return text;
  }
  for (const auto& [name, value] : got) {
    if (!expected.contains(name)) return fmt::format("metrics: {} is missing in the file", name);
  }
  return "";
}

// --- Writing.

// The double with the shortest text that still is this float: 0.01 instead of 0.009999999776482582.
double Shortest(float value) { return std::stod(fmt::format("{}", value)); }

Json MetricToJson(double value) {
  if (value == std::floor(value)) return static_cast<int64_t>(value);
  return Shortest(static_cast<float>(value));
}

}  // namespace

Episode ReadEpisode(const std::string& text) {
  const Json line = ParseLine(text);
  if (!Field(line, "id").is_string()) throw std::invalid_argument("id is no text");
  Episode episode;
  episode.id = line["id"];
  episode.level = Field(line, "level");
  episode.steps = ReadSteps(line);
  episode.first_obs = ReadTokens(line["obs"][0], "obs[0]");
  const Json& metrics = Field(line, "metrics");
  if (!metrics.is_object()) throw std::invalid_argument("metrics is no JSON object");
  for (const auto& [name, value] : metrics.items()) episode.metrics[name] = ReadNumber(value, "metrics." + name);
  return episode;
}

std::string WriteEpisode(const Episode& episode) {
  Json line{{"id", episode.id}, {"level", episode.level}};
  for (const char* key : {"actions", "obs", "rewards", "terminated", "truncated"}) line[key] = Json::array();
  line["obs"].push_back(episode.first_obs);
  for (const Transition& step : episode.steps) {
    line["actions"].push_back(step.action);
    line["obs"].push_back(step.obs);
    line["rewards"].push_back(Shortest(static_cast<float>(step.reward)));
    line["terminated"].push_back(step.terminated);
    line["truncated"].push_back(step.truncated);
  }
  for (const auto& [name, value] : episode.metrics) line["metrics"][name] = MetricToJson(value);
  return line.dump();
}

std::string FirstDifference(const Episode& expected, const Episode& got) {
  if (auto text = CompareObs(0, expected.first_obs, got.first_obs); !text.empty()) return "reset: " + text;
  for (size_t t = 0; t < got.steps.size(); ++t) {
    const auto text = CompareStep(t, expected.steps[t], got.steps[t]);
    if (!text.empty()) return fmt::format("step {}: {}", t, text);
  }
  if (auto text = Compare("number of steps", expected.steps.size(), got.steps.size()); !text.empty()) return text;
  if (!got.steps.back().IsEnd()) return "the last action does not end the episode";
  return CompareMetrics(expected.metrics, got.metrics);
}

}  // namespace lethe::envs
