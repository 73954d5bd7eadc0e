#include <filesystem>
#include <fstream>
#include <algorithm>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "envs/sequence/split_rows.h"
#include "tests/envs/play.h"
#include "tests/envs/sequence/streams.h"
#include "tests/temporary_folder.h"

namespace lethe::envs::sequence {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class CharLmTest : public ::testing::Test {
 protected:
  // A file of n bytes 0, 1, ..., 255, 0, ...: a byte tells its place.
  std::string File(int64_t n) {
    const std::string path = folder_ / fmt::format("{}.txt", n);
    std::ofstream file(path, std::ios::binary);
    for (int64_t i = 0; i < n; ++i) file.put(static_cast<char>(i));
    return path;
  }

  static std::unique_ptr<SequenceStream> Make(const std::string& path, const StreamOptions& options) {
    return MakeStream("CharLM-v0", options, {{"path", path}});
  }

  std::string Error(const std::string& path, const StreamOptions& options = {}) {
    return ErrorOf([&] { Make(path, options); });
  }

  tests::TemporaryFolder folder_;
};

TEST_F(CharLmTest, TrainingRowsAdvanceTogetherAndBeginAgain) {
  const auto stream =
      Make(File(137), {.rows = 3, .steps = 16});  // train: 123 bytes, rows of 40 inputs, 2 blocks a pass
  const auto rows = ReadRows(*stream, 4);
  for (int row = 0; row < 3; ++row) {
    for (int i = 0; i < 64; ++i) {
      EXPECT_EQ(rows[row].tokens[i], row * 40 + i % 32);
      EXPECT_EQ(rows[row].labels[i], row * 40 + i % 32 + 1);
      EXPECT_EQ(rows[row].scored[i], 1);
      EXPECT_EQ(rows[row].episode_start[i], i % 32 == 0);
    }
  }
}

// How often each byte of a split is a scored label.
std::vector<int> TimesScored(SequenceStream& stream, int64_t split_first, int64_t split_size) {
  std::vector<int> times(static_cast<size_t>(split_size));
  for (const Row& row : ReadRows(stream)) {
    for (size_t i = 0; i < row.tokens.size(); ++i) {
      EXPECT_TRUE(row.scored[i] == 0 || static_cast<uint8_t>(row.tokens[i] + 1) == row.labels[i]);
      if (row.scored[i]) ++times[static_cast<uint8_t>(row.labels[i] - split_first)];
    }
  }
  return times;
}

TEST_F(CharLmTest, EvaluationScoresEveryByteButTheFirstOnce) {
  for (const int64_t n : {40, 137, 1'000, 2'000}) {
    const auto sizes = SplitSizes(n);
    for (const int rows : {1, 2, 3, 7, 64}) {
      for (const int64_t steps : {1, 5, 300}) {
        const auto valid = Make(File(n), {.split = Split::kValid, .rows = rows, .steps = steps});
        std::vector<int> once(static_cast<size_t>(sizes[1]), 1);
        once[0] = 0;
        EXPECT_EQ(TimesScored(*valid, sizes[0], sizes[1]), once) << n << " " << rows << " " << steps;
        const auto test = Make(File(n), {.split = Split::kTest, .rows = rows, .steps = steps});
        once.assign(static_cast<size_t>(sizes[2]), 1);
        once[0] = 0;
        EXPECT_EQ(TimesScored(*test, sizes[0] + sizes[1], sizes[2]), once) << n << " " << rows << " " << steps;
      }
    }
  }
}

TEST_F(CharLmTest, EvaluationKeepsItsMemoryToTheEnd) {
  const auto rows = ReadRows(*Make(File(2'000), {.split = Split::kTest, .rows = 2, .steps = 16}));
  for (const Row& row : rows) {
    EXPECT_EQ(row.episode_start[0], 1);
    EXPECT_EQ(std::ranges::count(row.episode_start, 1) - std::ranges::count(row.padding, 1), 1);
  }
}

TEST_F(CharLmTest, AllByteValuesAreSymbols) {
  const auto stream = Make(File(40), {});
  EXPECT_EQ(stream->spec().num_symbols, 256);
  EXPECT_EQ(stream->spec().num_labels, 256);
  EXPECT_EQ(stream->spec().unscored_label, -1);
  EXPECT_EQ(stream->spec().scores[0].chance, 8);
}

TEST_F(CharLmTest, BadFilesSayWhatIsNeeded) {
  EXPECT_THAT(Error(folder_ / "none.txt"), AllOf(HasSubstr("none.txt does not exist"), HasSubstr("needed: a file")));
  EXPECT_THAT(Error(folder_.path()), HasSubstr("is not a file"));
  EXPECT_THAT(Error(File(0)), HasSubstr("0.txt is empty"));
  EXPECT_THAT(Error(""), HasSubstr("path is empty"));
  EXPECT_THAT(Error(File(39), {.split = Split::kValid}),
              AllOf(HasSubstr("39.txt has 39 bytes, which leaves 1 for valid"), HasSubstr("at least 40 bytes")));
}

TEST_F(CharLmTest, AFileShorterThanABlockSaysWhatIsNeeded) {
  EXPECT_THAT(Error(File(137), {.rows = 3, .steps = 41}),
              AllOf(HasSubstr("137.txt: 123 bytes of train give each of 3 rows 40 inputs; needed: 41")));
  EXPECT_EQ(Error(File(137), {.rows = 3, .steps = 40}), "");
  EXPECT_THAT(Error(File(137), {.rows = 200}), HasSubstr("each of 200 rows 0 inputs"));
}

TEST_F(CharLmTest, RefusesToGoOnWithAnotherFile) {
  const std::string path = File(137);
  const auto saved = Make(path, {.steps = 8})->Save();
  std::filesystem::rename(path, folder_ / "moved.txt");
  EXPECT_NO_THROW(Make(folder_ / "moved.txt", {.steps = 8})->Restore(saved));
  std::fstream(folder_ / "moved.txt", std::ios::in | std::ios::out).put('?');
  EXPECT_THAT(ErrorOf([&] { Make(folder_ / "moved.txt", {.steps = 8})->Restore(saved); }), HasSubstr("checksum"));
}

}  // namespace
}  // namespace lethe::envs::sequence
