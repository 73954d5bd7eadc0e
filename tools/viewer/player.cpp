#include "tools/viewer/player.h"

#include <fmt/format.h>

#include "agents/episode_file.h"
#include "tools/level_options.h"
#include "tools/progress_table.h"
#include "tools/user_error.h"

namespace lethe::tools {
namespace {

using agents::FixedPolicy;
using agents::PlayedEpisode;

/// The batch of one environment of global index `number`, at the start of its first episode.
std::unique_ptr<envs::EnvBatch> BeginLevel(const envs::Entry& entry, const envs::Params& params, uint64_t seed,
                                           uint64_t number, envs::Purpose purpose = envs::Purpose::kEvaluate) {
  auto env = entry.make_batch(params, {.size = 1, .seed = seed, .purpose = purpose, .first_index = number});
  std::vector<uint8_t> observation(static_cast<size_t>(env->num_tokens()));
  env->Reset(observation.data());
  return env;
}

std::string AgeText(double seconds) {
  return seconds < 90 ? fmt::format("{:.0f} s", seconds) : FormatDuration(seconds);
}

class RunPlayer : public Player {
 public:
  RunPlayer(const std::string& run, const std::vector<std::string>& overrides)
      : follower_(run, overrides),
        first_seed_(static_cast<uint64_t>(follower_.policy()->options->seed)),
        env_id_(follower_.policy()->options->env.id) {}

  std::unique_ptr<PlayedEpisode> Begin(uint64_t seed, uint64_t number) override {
    const auto& newest = follower_.policy();
    const auto& env = newest->options->env;
    auto episode = std::make_unique<PlayedEpisode>(BeginLevel(envs::Find(env.id), *env.params, seed, number), newest,
                                                   seed, number);
    env_id_ = env.id;
    return episode;
  }
  void Poll() override { follower_.Poll(); }
  const std::string& env_id() const override { return env_id_; }
  const envs::Params* params() const override { return follower_.policy()->options->env.params.get(); }
  std::string name() const override { return follower_.name(); }
  std::string status(const FixedPolicy* shown) const override {
    const auto& newest = follower_.policy();
    std::string text = fmt::format("weights of step {}, {} old", FormatCount(static_cast<double>(newest->env_steps)),
                                   AgeText(follower_.age_seconds()));
    if (shown && shown != newest.get())
      text += fmt::format(" from the next episode; now of step {}", FormatCount(static_cast<double>(shown->env_steps)));
    return text + (follower_.is_training() ? "; in training" : "");
  }
  std::string problem() const override { return follower_.problem(); }
  const std::vector<ProgressPoint>* progress() const override { return &follower_.progress(); }
  bool has_policy() const override { return true; }
  uint64_t first_seed() const override { return first_seed_; }

 private:
  RunFollower follower_;
  const uint64_t first_seed_;
  std::string env_id_;  // of the episode begun last
};

class EnvPlayer : public Player {
 public:
  EnvPlayer(const std::string& id, const std::vector<std::string>& overrides, bool is_person)
      : level_(id, overrides), is_person_(is_person) {
    level_.MakeBatch(envs::Purpose::kEvaluate);  // says now what does not go together
  }

  std::unique_ptr<PlayedEpisode> Begin(uint64_t seed, uint64_t number) override {
    // A person's levels are none that agents are judged on.
    const auto purpose = is_person_ ? envs::Purpose::kDemonstrate : envs::Purpose::kEvaluate;
    return std::make_unique<PlayedEpisode>(BeginLevel(level_.entry, *level_.params, seed, number, purpose), nullptr,
                                           seed, number);
  }
  const std::string& env_id() const override { return level_.entry.id; }
  const envs::Params* params() const override { return level_.params.get(); }
  std::string name() const override { return level_.entry.id; }
  bool has_policy() const override { return false; }
  bool is_person() const override { return is_person_; }
  uint64_t first_seed() const override { return static_cast<uint64_t>(level_.seed); }

 private:
  const LevelOptions level_;
  const bool is_person_;
};

class FilePlayer : public Player {
 public:
  explicit FilePlayer(const std::string& path)
      : path_(path), file_(AsUserError([&] { return agents::LoadEpisode(path); })) {}

  std::unique_ptr<PlayedEpisode> Begin(uint64_t, uint64_t) override { return file_.Begin(); }
  const std::vector<uint8_t>* Recorded() const override { return &file_.actions; }
  const std::string& env_id() const override { return file_.env_id; }
  std::string name() const override { return path_; }
  std::string status(const FixedPolicy*) const override {
    if (!file_.policy) return "a saved episode";
    return fmt::format("a saved episode, with weights of step {}",
                       FormatCount(static_cast<double>(file_.policy->env_steps)));
  }
  bool has_policy() const override { return file_.policy != nullptr; }
  uint64_t first_seed() const override { return file_.seed; }
  uint64_t first_number() const override { return file_.number; }

 private:
  const std::string path_;
  const agents::EpisodeFile file_;
};

}  // namespace

std::unique_ptr<Player> MakeRunPlayer(const std::string& run, const std::vector<std::string>& overrides) {
  return std::make_unique<RunPlayer>(run, overrides);
}

std::unique_ptr<Player> MakeEnvPlayer(const std::string& id, const std::vector<std::string>& overrides,
                                      bool is_person) {
  return std::make_unique<EnvPlayer>(id, overrides, is_person);
}

std::unique_ptr<Player> MakeFilePlayer(const std::string& path) { return std::make_unique<FilePlayer>(path); }

}  // namespace lethe::tools
