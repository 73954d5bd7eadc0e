// A batch allocates nothing while it is stepped.

#include <gtest/gtest.h>

#include "envs/threaded_batch.h"
#include "tests/count_allocations.h"
#include "tests/envs/play.h"
#include "tests/envs/sequence/streams.h"

namespace lethe::envs {
namespace {

TEST(Allocation, NoneInWhatIsCalledEveryStep) {
  for (const std::string& id : Ids()) {
    const auto batch = MakeBatch(id, {.size = 16}, {{"max_steps", 10}, {"hint", true}});
    Buffers buffers(*batch);
    std::vector<uint8_t> cues(16), explanation(16 * batch->spec().explanation.size());
    Stream random(1, Purpose::kTrain, 0, 0);
    batch->Reset(buffers.observations.data());
    if (batch->HasScout()) batch->Scout(buffers.actions.data());
    const int64_t before = allocations;
    batch->Reset(buffers.observations.data());
    for (int t = 0; t < 100; ++t) {
      batch->Oracle(buffers.actions.data());
      if (batch->HasScout()) batch->Scout(buffers.actions.data());
      if (!explanation.empty()) batch->Explain(explanation.data());
      batch->Cues(cues.data());
      buffers.Step(*batch);
      batch->Memoryless(buffers.observations.data(), random, buffers.actions.data());
      buffers.Step(*batch);
      batch->Observe(buffers.observations.data());
      batch->Restart(t % 16, buffers.observations.data());
      batch->EpisodeMetrics(t % 16);
    }
    EXPECT_EQ(allocations, before) << id;
  }
}

TEST(Allocation, NoneInStepsByThreads) {
  ThreadedBatch batch(MakeBatch("Corridor-v0", {.size = 16}, {{"max_steps", 10}}), 3);
  Buffers buffers(batch);
  const int64_t before = allocations;
  for (int t = 0; t < 100; ++t) buffers.Step(batch);
  EXPECT_EQ(allocations, before);
}

TEST(Allocation, NoneInTheNextBlockOfASequence) {
  for (const std::string id : {"Copy-v0", "ObjectCollision-v0"}) {
    const auto stream = sequence::MakeStream(id, {.rows = 4, .steps = 64},
                                             id == "Copy-v0" ? Changes{} : Changes{{"train_frames", 100}});
    sequence::Block block(stream->options());
    const int64_t before = allocations;
    for (int i = 0; i < 200; ++i) stream->Next(block.out());
    EXPECT_EQ(allocations, before) << id;
  }
}

}  // namespace
}  // namespace lethe::envs
