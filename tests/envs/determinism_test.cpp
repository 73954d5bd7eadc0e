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

struct Rows {
  int first = 0;
  int count = kRows;
  int steps = kSteps;
  bool is_restored = false;  // before every step into another batch, which goes on
};

// Plays the rows and leaves one hash per row.
void PlayRows(const std::string& id, const Rows& played, uint64_t* hashes) {
  const int first = played.first, rows = played.count;
  auto batch = MakeBatch(id, {.size = rows, .seed = 42, .first_index = static_cast<uint64_t>(first)});
  auto other = MakeBatch(id, {.size = rows});
  Buffers buffers(*batch);
  batch->Reset(buffers.observations.data());
  for (int t = 0; t < played.steps; ++t) {
    if (played.is_restored) {
      other->Restore(batch->Save());
      batch.swap(other);
    }
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

constexpr uint64_t kStart = 14695981039346656037u;

uint64_t HashWith(const std::string& id, int num_threads) {
  std::vector<uint64_t> hashes(kRows, kStart);
  const int rows = kRows / num_threads;
  std::vector<std::jthread> threads;
  for (int i = 0; i < num_threads; ++i) {
    threads.emplace_back(PlayRows, id, Rows{.first = i * rows, .count = rows}, &hashes[i * rows]);
  }
  threads.clear();
  return Hash(kStart, hashes.data(), kRows * sizeof(uint64_t));
}

uint64_t HashOf(const std::string& id, const Rows& played) {
  std::vector<uint64_t> hashes(kRows, kStart);
  PlayRows(id, played, hashes.data());
  return Hash(kStart, hashes.data(), kRows * sizeof(uint64_t));
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

TEST(DeterminismEnvs, ClassicsAreThoseOfTheRelease) {
  EXPECT_EQ(HashWith("TMaze-v0", 1), 13456833092740558714u);
  EXPECT_EQ(HashWith("RepeatPrevious-v0", 1), 4888221223959627274u);
  EXPECT_EQ(HashWith("Autoencode-v0", 1), 3330908424246410713u);
  EXPECT_EQ(HashWith("KeyDoor-v0", 1), 2474672709863287659u);
  EXPECT_EQ(HashWith("Concentration-v0", 1), 8152293328037738629u);
}

TEST(ThreadsEnvs, BytesDoNotDependOnThreads) {
  for (const std::string& id : Ids()) {
    const uint64_t alone = HashWith(id, 1);
    EXPECT_EQ(HashWith(id, 2), alone) << id;
    EXPECT_EQ(HashWith(id, 8), alone) << id;
  }
}

TEST(DeterminismEnvs, BytesDoNotDependOnSavingAndRestoringAtEveryStep) {
  for (const std::string& id : Ids())
    EXPECT_EQ(HashOf(id, {.steps = 150, .is_restored = true}), HashOf(id, {.steps = 150})) << id;
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
