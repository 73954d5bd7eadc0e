// What holds for every registered task, those to come included.
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/envs/play.h"
#include "tests/envs/sequence/streams.h"
#include "tests/temporary_folder.h"

namespace lethe::envs::sequence {
namespace {

using ::testing::HasSubstr;

uint64_t Hash(uint64_t hash, const std::vector<uint8_t>& bytes) {  // FNV-1a
  for (const uint8_t byte : bytes) hash = (hash ^ byte) * 1099511628211u;
  return hash;
}

class StreamTest : public ::testing::TestWithParam<std::string> {
 protected:
  StreamTest() {
    std::ofstream file(folder_ / "text");
    for (int i = 0; i < 3'000; ++i) file << i * i % 97;
  }

  std::unique_ptr<SequenceStream> Make(const StreamOptions& options, bool is_small = false) {
    const auto params = Find(GetParam()).make_params();
    const Json known = params->ToJson();
    if (known.contains("path")) params->Set("path", folder_ / "text");
    for (const char* frames : {"train_frames", "valid_frames", "test_frames"})
      if (known.contains(frames)) params->Set(frames, 600);
    for (const char* samples : {"valid_samples", "test_samples"})
      if (known.contains(samples)) params->Set(samples, 5);
    if (is_small && known.contains("distance")) params->Set("distance", 30);
    return Find(GetParam()).make_stream(*params, options);
  }

  tests::TemporaryFolder folder_;
};

TEST_P(StreamTest, TokensLabelsAndFlagsAreInRange) {
  for (const Split split : {Split::kTrain, Split::kValid, Split::kTest}) {
    const auto stream = Make({.split = split, .rows = 3, .steps = 40}, /*is_small=*/true);
    const SequenceSpec& spec = stream->spec();
    EXPECT_FALSE(spec.scores.empty());
    for (const Row& row : ReadRows(*stream, 50)) {
      EXPECT_EQ(row.episode_start[0], 1);
      EXPECT_TRUE(split != Split::kTrain || std::ranges::count(row.padding, 1) == 0);
      for (size_t i = 0; i < row.tokens.size(); ++i) {
        EXPECT_LT(row.tokens[i], spec.num_symbols);
        EXPECT_LT(row.labels[i], spec.num_labels);
        EXPECT_LE(row.scored[i], 1);
        EXPECT_LE(row.episode_start[i], 1);
        EXPECT_LE(row.padding[i], 1);
        EXPECT_TRUE(!row.padding[i] || (row.episode_start[i] && !row.scored[i] && row.tokens[i] == 0));
        EXPECT_TRUE(i == 0 || !row.padding[i - 1] || row.padding[i]);
        EXPECT_TRUE(!row.scored[i] || row.labels[i] != spec.unscored_label);
      }
    }
  }
}

TEST_P(StreamTest, RestoredAtAnyBlockItGoesOnAlike) {
  for (const Split split : {Split::kTrain, Split::kTest}) {
    const StreamOptions options{.split = split, .rows = 3, .steps = 37, .seed = 5};
    const auto whole = ReadRows(*Make(options, true), 60);
    for (const int blocks : {0, 1, 2, 11, 30}) {
      const auto first = Make(options, true);
      auto rows = ReadRows(*first, blocks);
      const auto second = Make(options, true);
      ReadRows(*second, 7);
      second->Restore(first->Save());
      const auto rest = ReadRows(*second, 60 - blocks);
      for (size_t row = 0; row < rows.size(); ++row) {
        rows[row].tokens.insert(rows[row].tokens.end(), rest[row].tokens.begin(), rest[row].tokens.end());
        rows[row].labels.insert(rows[row].labels.end(), rest[row].labels.begin(), rest[row].labels.end());
        EXPECT_TRUE(rows[row].tokens == whole[row].tokens && rows[row].labels == whole[row].labels) << blocks;
      }
    }
  }
}

TEST_P(StreamTest, RefusesDamagedStatesAndThoseOfOtherStreams) {
  const StreamOptions options{.rows = 3, .steps = 37, .seed = 5};
  const auto stream = Make(options);
  auto saved = stream->Save();
  StreamOptions other = options;
  other.rows = 2;
  EXPECT_THAT(ErrorOf([&] { Make(other)->Restore(saved); }), HasSubstr("rows is 3"));
  other = options;
  other.split = Split::kTest;
  EXPECT_THAT(ErrorOf([&] { Make(other)->Restore(saved); }), HasSubstr("split is 0"));
  saved[saved.size() / 2] ^= std::byte{1};
  EXPECT_THAT(ErrorOf([&] { stream->Restore(saved); }), HasSubstr("damaged"));
  EXPECT_THAT(ErrorOf([&] { stream->Restore({}); }), HasSubstr("damaged"));
}

TEST_P(StreamTest, HasACurriculumIfItSaysSo) {
  const auto stream = Make({});
  const SequenceSpec& spec = stream->spec();
  if (spec.curriculum_parameter.empty()) {
    EXPECT_THROW(stream->SetCurriculum(1), std::logic_error);
    return;
  }
  stream->SetCurriculum(1);
  EXPECT_EQ(Find(GetParam()).make_params()->Get(spec.curriculum_parameter), spec.curriculum_max);
  EXPECT_LE(spec.curriculum_min, spec.curriculum_max);
  EXPECT_GT(spec.labels_per_sequence, 0) << "sequences are what the curriculum counts";
}

TEST_P(StreamTest, RefusesBadOptions) {
  EXPECT_THAT(ErrorOf([&] { Make({.rows = 0}); }), HasSubstr("rows is 0; allowed: >= 1"));
  EXPECT_THAT(ErrorOf([&] { Make({.steps = 0}); }), HasSubstr("steps is 0; allowed: >= 1"));
  struct OtherParams {
    static void Visit(OptionVisitor&) {}
    void Check() const {}
  };
  EXPECT_THROW(Find(GetParam()).make_stream(ParamsOf<OtherParams>(), {}), std::invalid_argument);
}

// Where a block is written, and into what rows, is the caller's business; the seed is not the file's.
TEST_P(StreamTest, TheSameSeedGivesTheSameTokens) {
  const auto read = [&](uint64_t seed) { return ReadRows(*Make({.rows = 2, .steps = 50, .seed = seed}, true), 20); };
  EXPECT_EQ(read(1), read(1));
  EXPECT_EQ(read(1) == read(2), GetParam() == "CharLM-v0");
}

std::string NameOf(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::ranges::replace(name, '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Every, StreamTest, ::testing::ValuesIn(Ids()), NameOf);

// Changes only with the rules; a hash that differs on another machine is a defect.
TEST(DeterminismSequence, TokensHaveTheseHashes) {
  const auto hash_of = [](const std::string& id, const std::vector<Change>& changes) {
    uint64_t hash = 14695981039346656037u;
    for (const Row& row : ReadRows(*MakeStream(id, {.rows = 3, .steps = 500, .seed = 42}, changes), 40))
      hash = Hash(Hash(Hash(hash, row.tokens), row.labels), row.episode_start);
    return hash;
  };
  EXPECT_EQ(hash_of("Copy-v0", {}), 3942413317935601226u);
  EXPECT_EQ(hash_of("ObjectCollision-v0", {{"train_frames", 9'000}}), 10762805823231807337u);
  EXPECT_EQ(hash_of("ObjectCollision-Last-v0", {{"train_frames", 9'000}}), 12341549789290325108u);
}

TEST(SequenceRegistry, ListsTasksByFamily) {
  EXPECT_EQ(Ids(), (std::vector<std::string>{"CharLM-v0", "Copy-v0", "Copy-1k-v0", "Copy-16k-v0", "Copy-128k-v0",
                                             "ObjectCollision-v0", "ObjectCollision-Last-v0"}));
  EXPECT_THAT(ErrorOf([] { Find("Copy-16-v0"); }), HasSubstr("unknown sequence task Copy-16-v0; did you mean"));
}

TEST(SequenceRegistry, EveryFileThatRegistersIsLinked) {
  std::set<std::string> in_files, families;
  for (const auto& file : std::filesystem::directory_iterator(LETHE_SOURCE_DIR "/envs/sequence")) {
    std::ostringstream text;
    text << std::ifstream(file.path()).rdbuf();
    if (text.str().find("\nLETHE_REGISTER_TASK(") != std::string::npos) in_files.insert(file.path().stem());
  }
  for (const std::string& id : Ids()) families.insert(Find(id).family);
  EXPECT_EQ(families.size(), in_files.size());
}

}  // namespace
}  // namespace lethe::envs::sequence
