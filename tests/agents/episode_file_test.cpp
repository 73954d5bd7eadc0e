#include "agents/episode_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>

#include "agents/flat_parameters.h"
#include "configs/safetensors.h"
#include "tests/agents/tiny_run.h"
#include "tests/temporary_folder.h"

namespace lethe::agents {
namespace {

namespace fs = std::filesystem;
using configs::SafetensorsFile;
using testing::HasSubstr;
using tests::TemporaryFolder;

std::shared_ptr<const FixedPolicy> FreshPolicy(const std::vector<std::string>& more = {}) {
  std::shared_ptr<const RunOptions> run = MakeTinyRun(more);
  torch::manual_seed(4);
  Policy policy(MakePolicyOptions(*run));
  return std::make_shared<FixedPolicy>(run, FlatParameters(policy).Read(), 12'345);
}

std::unique_ptr<envs::EnvBatch> FirstLevel(const RunOptions& run) {
  auto env = MakeEnvs(run, 1, envs::Purpose::kEvaluate, 5);
  std::vector<uint8_t> observation(static_cast<size_t>(env->num_tokens()));
  env->Reset(observation.data());
  return env;
}

/// An episode of at most `steps` steps.
std::unique_ptr<PlayedEpisode> Played(const std::shared_ptr<const FixedPolicy>& policy, int64_t steps,
                                      Chooser chooser = Chooser::kSample) {
  const auto run = policy != nullptr ? policy->options : MakeTinyRun();
  auto episode = std::make_unique<PlayedEpisode>(FirstLevel(*run), policy, ~uint64_t{0}, 42);
  for (int64_t step = 0; step < steps && !episode->ended(); ++step) episode->Take(episode->Choose(chooser));
  return episode;
}

/// Step by step, attention included, bit for bit.
void ExpectSameEpisode(const EpisodeFile& file, PlayedEpisode& want) {
  const auto got = file.Begin();
  ASSERT_EQ(static_cast<int64_t>(file.actions.size()), want.newest());
  for (const uint8_t action : file.actions) got->Take(action);
  EXPECT_EQ(got->level_json(), want.level_json());
  EXPECT_EQ(got->terminated(), want.terminated());
  EXPECT_EQ(got->truncated(), want.truncated());
  EXPECT_EQ(got->score(), want.score());
  for (int64_t step = 0; step <= want.newest(); ++step) {
    const EpisodeStep &a = got->At(step), &b = want.At(step);
    EXPECT_EQ(a.observation, b.observation);
    EXPECT_EQ(a.picture.cells, b.picture.cells);
    EXPECT_EQ(a.action, b.action);
    EXPECT_EQ(a.reward, b.reward);
    EXPECT_EQ(a.probabilities, b.probabilities);
    EXPECT_EQ(a.value, b.value);
    EXPECT_EQ(a.spans, b.spans);
    const auto &layers = got->MemoriesAt(step), &layers_before = want.MemoriesAt(step);
    ASSERT_EQ(layers.size(), layers_before.size());
    for (size_t l = 0; l < layers.size(); ++l) {
      EXPECT_EQ(layers[l].steps, layers_before[l].steps);
      EXPECT_EQ(layers[l].masks, layers_before[l].masks);
      EXPECT_EQ(layers[l].weights, layers_before[l].weights);
    }
  }
}

/// Everything of a file, to be changed and written again with a good checksum.
struct Content {
  std::map<std::string, std::string> metadata;
  std::vector<configs::TensorView> tensors;
  SafetensorsFile file;

  explicit Content(const std::string& path) : file(path) { metadata = file.metadata(), tensors = file.tensors(); }
  void Write(const std::string& path) const { configs::WriteSafetensors(path, tensors, metadata); }
};

std::string ErrorOf(const std::string& path) {
  try {
    LoadEpisode(path);
  } catch (const std::exception& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    EXPECT_THAT(error.what(), HasSubstr(path));
    return error.what();
  }
  return "";
}

TEST(EpisodeFile, GivesTheSameEpisode) {
  const TemporaryFolder folder;
  const std::string path = folder / "one.episode.safetensors";
  const auto policy = FreshPolicy({"env.max_steps=30"});
  const auto episode = Played(policy, 100);
  ASSERT_TRUE(episode->ended());
  ASSERT_GT(episode->newest(), 8) << "more than an unroll";
  SaveEpisode(path, *episode, "Corridor-v0");
  EXPECT_TRUE(IsEpisodeFile(path));
  const EpisodeFile file = LoadEpisode(path);
  EXPECT_EQ(file.env_id, "Corridor-v0");
  EXPECT_EQ(file.seed, ~uint64_t{0});
  EXPECT_EQ(file.number, 42u);
  ASSERT_NE(file.policy, nullptr);
  EXPECT_EQ(file.policy->env_steps, 12'345);
  EXPECT_EQ(file.policy->parameters, policy->parameters);
  ExpectSameEpisode(file, *episode);
}

TEST(EpisodeFile, KeepsEpisodesWithoutPolicyAndThoseThatHaveNotEnded) {
  const TemporaryFolder folder;
  for (const int64_t steps : {0, 1, 100}) {
    const auto alone = Played(nullptr, steps, Chooser::kOracle);
    SaveEpisode(folder / "alone", *alone, "Corridor-v0");
    EXPECT_EQ(LoadEpisode(folder / "alone").policy, nullptr);
    ExpectSameEpisode(LoadEpisode(folder / "alone"), *alone);
  }
  const auto begun = Played(FreshPolicy(), 2);
  SaveEpisode(folder / "begun", *begun, "Corridor-v0");
  ExpectSameEpisode(LoadEpisode(folder / "begun"), *begun);
  EXPECT_FALSE(LoadEpisode(folder / "begun").Begin()->ended());
}

TEST(EpisodeFile, KeepsEpisodesOfEveryEnvironment) {
  const TemporaryFolder folder;
  for (const std::string& id : envs::Ids()) {
    SCOPED_TRACE(id);
    const envs::Entry& entry = envs::Find(id);
    auto env = entry.make_batch(*entry.make_params(), {.size = 1, .seed = 3, .purpose = envs::Purpose::kDemonstrate});
    std::vector<uint8_t> observation(static_cast<size_t>(env->num_tokens()));
    env->Reset(observation.data());
    PlayedEpisode episode(std::move(env), nullptr, 3, 0);
    for (int64_t step = 0; step < 40 && !episode.ended(); ++step) episode.Take(episode.Choose(Chooser::kRandom));
    SaveEpisode(folder / "x", episode, id);
    ExpectSameEpisode(LoadEpisode(folder / "x"), episode);
  }
}

TEST(EpisodeFile, RefusesFilesThatAreNone) {
  const TemporaryFolder folder;
  EXPECT_THAT(ErrorOf(folder / "none"), HasSubstr("No such file"));
  std::ofstream(folder / "text") << "a text that is no episode at all";
  EXPECT_THAT(ErrorOf(folder / "text"), HasSubstr("header"));
  configs::WriteSafetensors(folder / "weights", {}, {{"env_steps", "7"}});
  EXPECT_THAT(ErrorOf(folder / "weights"), HasSubstr("is no saved episode"));
  fs::create_directory(folder / "folder");
  EXPECT_NE(ErrorOf(folder / "folder"), "");
  for (const char* name : {"none", "text", "weights", "folder"}) EXPECT_FALSE(IsEpisodeFile(folder / name)) << name;
}

TEST(EpisodeFile, RefusesDamage) {
  const TemporaryFolder folder;
  const std::string path = folder / "x";
  SaveEpisode(path, *Played(FreshPolicy(), 4), "Corridor-v0");
  const auto size = static_cast<std::streamoff>(fs::file_size(path));
  for (const std::streamoff at : {std::streamoff{40}, size / 2, size - 1}) {
    fs::copy_file(path, folder / "damaged", fs::copy_options::overwrite_existing);
    std::fstream file(folder / "damaged", std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(at);
    const char byte = static_cast<char>(file.get() ^ 1);
    file.seekp(at);
    file.put(byte);
    file.close();
    EXPECT_NE(ErrorOf(folder / "damaged"), "") << at;
  }
  EXPECT_TRUE(IsEpisodeFile(folder / "damaged")) << "it begins like one";
  fs::resize_file(path, static_cast<uintmax_t>(size - 5));
  EXPECT_NE(ErrorOf(path), "");
}

/// What one change to a good file leads to.
struct BadFile {
  const char* name;
  std::function<void(Content&)> change;
  const char* message;
};

std::vector<BadFile> BadFiles() {
  static const std::vector<uint8_t> kOutside = {0, 4}, kTooMany(200, 0);
  static const std::vector<float> kFloats = {1};
  const auto with_actions = [](const std::vector<uint8_t>& actions) {
    return [&actions](Content& c) {
      for (auto& tensor : c.tensors)
        if (tensor.name == "actions")
          tensor = {"actions",
                    configs::Dtype::kU8,
                    {static_cast<int64_t>(actions.size())},
                    std::as_bytes(std::span(actions))};
    };
  };
  const auto with = [](const char* key, const std::string& value) {
    return [=](Content& c) { c.metadata[key] = value; };
  };
  const auto replaced = [](const char* key, const std::string& from, const std::string& to) {
    return [=](Content& c) {
      std::string& text = c.metadata[key];
      ASSERT_NE(text.find(from), std::string::npos) << text;
      text.replace(text.find(from), from.size(), to);
    };
  };
  return {
      {"version", with("lethe.episode", "2"), "is an episode of version \"2\"; this program reads version 1"},
      {"action", with_actions(kOutside), "action 1 is 4; allowed: 0..3"},
      {"many", with_actions(kTooMany), "there are 200 actions, but the episode ends after 30"},
      {"type",
       [](Content& c) {
         for (auto& tensor : c.tensors)
           if (tensor.name == "actions")
             tensor = {"actions", configs::Dtype::kF32, {1}, std::as_bytes(std::span(kFloats))};
       },
       "`actions` is F32"},
      {"environment", with("env_id", "Coridor-v0"), "Corridor-v0"},
      {"family", with("env_id", "Portal-v0"), "its level is of \"Corridor\", version 0, not of Portal-v0"},
      {"json", with("level", "{"), "its level is no JSON object"},
      {"parameter", replaced("level", "\"length_max\":5", "\"length_max\":1"), "length_m"},
      {"hidden", replaced("level", "\"cue\":", "\"clue\":"), "cue is missing"},
      {"missing", [](Content& c) { c.metadata.erase("seed"); }, "`seed` is missing"},
      {"number", with("number", "-3"), "`number` is \"-3\", no whole number"},
      {"option", replaced("config", "dim: 16", "dimm: 16"), "dimm"},
      {"weights", replaced("config", "dim: 16", "dim: 32"), "has shape"},
      {"tensor", [](Content& c) { c.tensors.pop_back(); }, "policy."},
      {"other tokens", replaced("config", "view: 3", "view: 5"), "policy."},
  };
}

TEST(EpisodeFile, RefusesWhatDoesNotFitTogether) {
  const TemporaryFolder folder;
  SaveEpisode(folder / "good", *Played(FreshPolicy({"env.max_steps=30"}), 3), "Corridor-v0");
  for (const BadFile& bad : BadFiles()) {
    SCOPED_TRACE(bad.name);
    Content content(folder / "good");
    bad.change(content);
    content.Write(folder / "bad");
    EXPECT_THAT(ErrorOf(folder / "bad"), HasSubstr(bad.message));
  }
}

}  // namespace
}  // namespace lethe::agents
