#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agents/episode.h"
#include "tools/viewer/run_follower.h"

namespace lethe::tools {

/// Who plays the episodes that are shown, with what memory.
class Player {
 public:
  virtual ~Player() = default;
  /// The episode of this number, at its first step, with the newest weights. number: 0 .. 2^32 - 1. The same seed and
  /// number give the same level to every player of the same environment.
  virtual std::unique_ptr<agents::PlayedEpisode> Begin(uint64_t seed, uint64_t number) = 0;
  /// Actions that must be taken instead of chosen ones, from step 0; null: none.
  virtual const std::vector<uint8_t>* Recorded() const { return nullptr; }
  /// Looks for newer weights, which the next episode will have.
  virtual void Poll() {}
  virtual const std::string& env_id() const = 0;
  /// Of its environment; null for a saved episode.
  virtual const envs::Params* params() const { return nullptr; }
  virtual std::string name() const = 0;
  /// What it plays with, in a few words. shown: the policy of the episode that is shown; null: none.
  virtual std::string status(const agents::FixedPolicy* /*shown*/) const { return ""; }
  virtual std::string problem() const { return ""; }
  virtual const std::vector<ProgressPoint>* progress() const { return nullptr; }
  virtual bool has_policy() const = 0;
  virtual bool is_person() const { return false; }
  /// What the command line said about seed and number of the first episode.
  virtual uint64_t first_seed() const = 0;
  virtual uint64_t first_number() const { return 0; }
};

/// A run and its newest weights. Errors: as RunFollower.
std::unique_ptr<Player> MakeRunPlayer(const std::string& run, const std::vector<std::string>& overrides);
/// An environment with nobody's memory: an oracle, chance or a person acts. Errors: as LevelOptions.
std::unique_ptr<Player> MakeEnvPlayer(const std::string& id, const std::vector<std::string>& overrides, bool is_person);
/// A saved episode. Errors: UserError.
std::unique_ptr<Player> MakeFilePlayer(const std::string& path);

}  // namespace lethe::tools
