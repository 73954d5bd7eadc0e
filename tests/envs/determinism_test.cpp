// Same seed and actions, same bytes: however the rows are split over batches and threads, and on any machine.

#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "tests/envs/play.h"

namespace lethe::envs {
namespace {

constexpr int kRows = 16;
constexpr int kSteps = 2'000;

uint64_t Hash(uint64_t hash, const void* data, size_t size) {  // FNV-1a
  for (size_t i = 0; i < size; ++i) hash = (hash ^ static_cast<const uint8_t*>(data)[i]) * 1099511628211u;
  return hash;
}

// The action of a global row at a step: of the four moves mostly that to the right, so that episodes also end at doors;
// of other numbers of actions any.
uint8_t ActionAt(uint32_t row, uint32_t step, int num_actions) {
  const uint32_t word = Philox4x32({step, row, 0, 0}, {1, 2})[0];
  if (num_actions != 4) return static_cast<uint8_t>(word % num_actions);
  return word % 8 < 4 ? word % 4 : 1;
}

// Plays `rows` rows from `first` on and leaves one hash per row.
void PlayRows(const std::string& id, int first, int rows, uint64_t* hashes) {
  const auto batch = MakeBatch(id, {.size = rows, .seed = 42, .first_index = static_cast<uint64_t>(first)});
  Buffers buffers(*batch);
  batch->Reset(buffers.observations.data());
  for (int t = 0; t < kSteps; ++t) {
    for (int row = 0; row < rows; ++row) {
      buffers.actions[row] = ActionAt(first + row, t, batch->spec().num_actions);
    }
    buffers.Step(*batch);
    for (int row = 0; row < rows; ++row) {
      uint64_t& hash = hashes[row];
      hash = Hash(hash, &buffers.observations[row * batch->num_tokens()], batch->num_tokens());
      hash = Hash(hash, &buffers.rewards[row], sizeof(float));
      const uint8_t flags[] = {buffers.terminated[row], buffers.truncated[row], buffers.episode_start[row]};
      hash = Hash(hash, flags, sizeof flags);
    }
  }
}

uint64_t HashWith(const std::string& id, int num_threads) {
  std::vector<uint64_t> hashes(kRows, 14695981039346656037u);
  const int rows = kRows / num_threads;
  std::vector<std::jthread> threads;
  for (int i = 0; i < num_threads; ++i) threads.emplace_back(PlayRows, id, i * rows, rows, &hashes[i * rows]);
  threads.clear();
  return Hash(14695981039346656037u, hashes.data(), kRows * sizeof(uint64_t));
}

TEST(DeterminismEnvs, BytesAreThoseOfTheRelease) {
  EXPECT_EQ(HashWith("Corridor-v0", 1), 2831173821669741036u);
  EXPECT_EQ(HashWith("Corridor-8c-v0", 1), 4188489979784626366u);
  EXPECT_EQ(HashWith("Corridor-1k-Mix-v0", 1), 17388631063780254691u);
  EXPECT_EQ(HashWith("Portal-v0", 1), 10738627615119958404u);
  EXPECT_EQ(HashWith("Portal-Random-v0", 1), 17658199370367517827u);
  EXPECT_EQ(HashWith("Instruction-v0", 1), 10424449308488332874u);
  EXPECT_EQ(HashWith("Instruction-Large-v0", 1), 1201945526295708102u);
}

TEST(ThreadsEnvs, BytesDoNotDependOnThreads) {
  for (const std::string& id : Ids()) {
    const uint64_t alone = HashWith(id, 1);
    EXPECT_EQ(HashWith(id, 2), alone) << id;
    EXPECT_EQ(HashWith(id, 8), alone) << id;
  }
}

TEST(DeterminismEnvs, EvaluationPlaysOtherLevelsThanTraining) {
  std::set<std::string> levels;
  for (const Purpose purpose : {Purpose::kTrain, Purpose::kEvaluate, Purpose::kDemonstrate}) {
    const auto batch = MakeBatch("Corridor-100k-Mix-v0", {.size = 4, .seed = 1, .purpose = purpose});
    Buffers buffers(*batch);
    batch->Reset(buffers.observations.data());
    for (int row = 0; row < 4; ++row) levels.insert(batch->LevelJson(row));
  }
  EXPECT_EQ(levels.size(), 12u);
}

}  // namespace
}  // namespace lethe::envs
