#include "agents/episode_file.h"

#include <fmt/format.h>

#include <charconv>
#include <fstream>
#include <map>
#include <stdexcept>

#include "agents/checkpoint_tensors.h"
#include "agents/flat_parameters.h"
#include "configs/document.h"
#include "configs/safetensors_header.h"
#include "envs/json.h"
#include "envs/registry.h"

namespace lethe::agents {

namespace {

using configs::SafetensorsFile;
using envs::Json;

constexpr const char* kVersionKey = "lethe.episode";
constexpr const char* kVersion = "1";

[[noreturn]] void Refuse(const std::string& what) { throw std::invalid_argument(what); }

std::vector<ParameterLayout> LayoutFor(const RunOptions& options) {
  Policy policy(MakePolicyOptions(options));
  return LayoutOf(FlatParameters(policy));
}

const std::string& Metadata(const SafetensorsFile& file, const std::string& key) {
  const auto found = file.metadata().find(key);
  if (found == file.metadata().end()) Refuse(fmt::format("`{}` is missing", key));
  return found->second;
}

template <class Integer>
Integer IntegerOf(const SafetensorsFile& file, const std::string& key) {
  const std::string& text = Metadata(file, key);
  Integer value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    Refuse(fmt::format("`{}` is {}, no whole number", key, Json(text).dump()));
  return value;
}

/// A batch of one at the first step of the episode.
std::unique_ptr<envs::EnvBatch> MakeEnv(const EpisodeFile& episode) {
  const envs::Entry& entry = envs::Find(episode.env_id);
  const Json level = Json::parse(episode.level_json, nullptr, /*allow_exceptions=*/false);
  if (!level.is_object()) Refuse("its level is no JSON object");
  const Json of = {{"env", envs::Field(level, "env")}, {"version", envs::Field(level, "version")}};
  if (of != Json{{"env", entry.family}, {"version", entry.version}})
    Refuse(fmt::format("its level is of {}, version {}, not of {}", of["env"].dump(), of["version"].dump(), entry.id));
  const auto params = entry.make_params();
  params->FromJson(envs::Field(level, "params"));
  auto env = entry.make_batch(*params, {.size = 1, .seed = episode.seed, .purpose = envs::Purpose::kEvaluate});
  env->LoadLevel(0, episode.level_json);
  return env;
}

/// Plays the environment alone, which takes next to no time. Errors: std::invalid_argument.
void CheckActions(const EpisodeFile& episode) {
  const auto env = MakeEnv(episode);
  std::vector<uint8_t> observation(static_cast<size_t>(env->num_tokens()));
  float reward = 0;
  uint8_t terminated = 0, truncated = 0, episode_start = 0;
  for (size_t step = 0; step < episode.actions.size(); ++step) {
    if (terminated != 0 || truncated != 0)
      Refuse(fmt::format("there are {} actions, but the episode ends after {}", episode.actions.size(), step));
    const uint8_t action = episode.actions[step];
    if (action >= env->spec().num_actions)
      Refuse(fmt::format("action {} is {}; allowed: 0..{}", step, action, env->spec().num_actions - 1));
    env->Step(&action, {observation.data(), &reward, &terminated, &truncated, &episode_start});
  }
}

/// Everything but the policy, checked. Errors: std::invalid_argument without the path.
EpisodeFile ReadEpisode(const SafetensorsFile& file) {
  if (Metadata(file, kVersionKey) != kVersion)
    Refuse(fmt::format("is an episode of version {}; this program reads version {}",
                       Json(Metadata(file, kVersionKey)).dump(), kVersion));
  EpisodeFile episode;
  episode.env_id = Metadata(file, "env_id");
  episode.level_json = Metadata(file, "level");
  episode.seed = IntegerOf<uint64_t>(file, "seed"), episode.number = IntegerOf<uint64_t>(file, "number");
  const configs::TensorView& actions = file.Find("actions");
  if (actions.dtype != configs::Dtype::kU8 || actions.shape.size() != 1)
    Refuse(fmt::format("`actions` is {} of {} dimensions; it has to be U8 of one", configs::DtypeName(actions.dtype),
                       actions.shape.size()));
  episode.actions = ReadArray<uint8_t>(file, "actions");
  CheckActions(episode);
  return episode;
}

std::shared_ptr<const FixedPolicy> ReadPolicy(const SafetensorsFile& file) {
  std::shared_ptr<const RunOptions> options;
  try {
    auto document = configs::Document::FromText(Metadata(file, "config"), file.path() + ": config");
    document.Override("device=cpu");
    options = ReadRunOptions(document);
  } catch (const configs::OptionError& error) {
    Refuse(error.what());
  } catch (const std::invalid_argument& error) {
    Refuse(fmt::format("{}: config: {}", file.path(), error.what()));
  }
  return std::make_shared<FixedPolicy>(options, LoadWeights(file, LayoutFor(*options)),
                                       static_cast<int64_t>(ReadNumber(file, "env_steps")));
}

}  // namespace

std::unique_ptr<PlayedEpisode> EpisodeFile::Begin() const {
  return std::make_unique<PlayedEpisode>(MakeEnv(*this), policy, seed, number);
}

void SaveEpisode(const std::string& path, const PlayedEpisode& episode, const std::string& env_id) {
  std::map<std::string, std::string> metadata = {{kVersionKey, kVersion},
                                                 {"env_id", env_id},
                                                 {"level", episode.level_json()},
                                                 {"seed", std::to_string(episode.seed())},
                                                 {"number", std::to_string(episode.number())}};
  std::vector<uint8_t> actions;
  for (int64_t step = 0; step < episode.newest(); ++step)
    actions.push_back(static_cast<uint8_t>(episode.At(step).action));
  TensorViews views;
  views.Add("actions", configs::Dtype::kU8, actions);
  if (const FixedPolicy* policy = episode.policy()) {
    // Written options are shown to a visitor that may change them; this one only reads.
    metadata["config"] = ToYaml(const_cast<RunOptions&>(*policy->options));
    metadata["env_steps"] = std::to_string(policy->env_steps);
    views.AddParameters("policy.", policy->parameters, LayoutFor(*policy->options));
  }
  configs::WriteSafetensors(path, views.views(), metadata);
}

EpisodeFile LoadEpisode(const std::string& path) {
  const bool is_episode = IsEpisodeFile(path);
  const SafetensorsFile file(path, is_episode ? configs::Checksum::kRequired : configs::Checksum::kWhenPresent);
  if (!is_episode) Refuse(fmt::format("{}: is no saved episode: `{}` is missing", path, kVersionKey));
  EpisodeFile episode;
  try {
    episode = ReadEpisode(file);
  } catch (const std::invalid_argument& error) {
    Refuse(fmt::format("{}: {}", path, error.what()));
  }
  if (!file.metadata().contains("config")) return episode;
  episode.policy = ReadPolicy(file);
  try {
    episode.Begin();
  } catch (const std::invalid_argument& error) {
    Refuse(fmt::format("{}: {}", path, error.what()));
  }
  return episode;
}

bool IsEpisodeFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  uint64_t size = 0;
  if (!file.read(reinterpret_cast<char*>(&size), sizeof size) || size > configs::kMaxHeaderBytes) return false;
  std::string header(size, '\0');
  file.read(header.data(), static_cast<std::streamsize>(size));
  header.resize(static_cast<size_t>(file.gcount()));
  return header.starts_with('{') && header.find(fmt::format("\"{}\":\"", kVersionKey)) != std::string::npos;
}

}  // namespace lethe::agents
