#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "envs/registry.h"
#include "tests/envs/play.h"

namespace lethe::envs {

/// A batch of one at the start of a level, of which `hidden` gives what the record has beside env, version and params.
inline std::unique_ptr<EnvBatch> AtLevel(const std::string& id, const Json& hidden, const Changes& changes = {}) {
  const Entry& entry = Find(id);
  const auto params = entry.make_params();
  for (const Change& change : changes) params->Set(change.name, change.value);
  auto batch = entry.make_batch(*params, {.size = 1});
  Json level = {{"env", entry.family}, {"version", entry.version}, {"params", params->ToJson()}};
  level.update(hidden);
  batch->LoadLevel(0, level.dump());
  return batch;
}

/// Plays these actions in a batch of one and gives the output of the last step.
inline Buffers PlayActions(EnvBatch& batch, const std::vector<uint8_t>& actions) {
  Buffers buffers(batch);
  batch.Observe(buffers.observations.data());
  for (const uint8_t action : actions) {
    buffers.actions[0] = action;
    buffers.Step(batch);
  }
  return buffers;
}

/// Letters of "urdl" as moves.
inline std::vector<uint8_t> Moves(const std::string& letters) {
  std::vector<uint8_t> moves;
  for (const char letter : letters) moves.push_back(static_cast<uint8_t>(std::string("urdl").find(letter)));
  return moves;
}

inline std::vector<uint8_t> Observation(const EnvBatch& batch) {
  std::vector<uint8_t> tokens(batch.size() * batch.num_tokens());
  batch.Observe(tokens.data());
  return tokens;
}

/// Lets the oracle finish the episode of a batch of one; steps from the last observation that is a cue to the last
/// action.
inline int64_t StepsFromCueToEnd(EnvBatch& batch) {
  Buffers buffers(batch);
  int64_t since_cue = 0;
  while (!buffers.ended(0)) {
    since_cue = batch.IsCue(0) ? 0 : since_cue + 1;
    batch.Oracle(buffers.actions.data());
    buffers.Step(batch);
  }
  return since_cue;
}

/// Holds an id to its stated scores on `levels` levels, with `draws` independent chances of the score in each.
inline void ExpectStatedScores(const std::string& id, int levels, int draws) {
  const Scores& scores = Find(id).scores;
  const auto mean = [&](const BatchPolicy& policy) {
    const auto batch = MakeBatch(id, {.size = levels, .seed = 21});
    return MeanMetric(*batch, policy, 1, batch->spec().score_metric);
  };
  const auto tolerance = [&](double score) { return 4 * StandardError(score, levels * draws); };
  EXPECT_EQ(mean(OraclePolicy()), scores.oracle) << id;
  EXPECT_NEAR(mean(MemorylessPolicy(3)), scores.memoryless, tolerance(scores.memoryless)) << id;
  EXPECT_NEAR(mean(RandomPolicy(2)), scores.random, tolerance(scores.random)) << id;
}

/// The error of loading the batch's own level with one member changed, which must leave the batch as it was.
inline std::string ErrorOfLevelWith(EnvBatch& batch, const std::string& pointer, const Json& value) {
  const auto saved = batch.Save();
  Json level = Json::parse(batch.LevelJson(0));
  level[Json::json_pointer(pointer)] = value;
  const std::string error = ErrorOf([&] { batch.LoadLevel(0, level.dump()); });
  EXPECT_EQ(batch.Save(), saved);
  return error;
}

/// The error of making an environment with these changes.
inline std::string ErrorOfParams(const std::string& id, const Changes& changes) {
  return ErrorOf([&] { MakeBatch(id, {.size = 1}, changes); });
}

}  // namespace lethe::envs
