// Every line of tests/data/sequence/sequences.jsonl, written by a program of its own.
#include <fstream>
#include <map>

#include <gtest/gtest.h>

#include "envs/sequence/collision_frame.h"
#include "envs/sequence/split_rows.h"
#include "tests/envs/sequence/streams.h"

namespace lethe::envs::sequence {
namespace {

std::vector<Json> GoldenLines(const std::string& task) {
  std::ifstream file(LETHE_TEST_DATA "/sequence/sequences.jsonl");
  std::vector<Json> lines;
  for (std::string line; std::getline(file, line);) {
    if (Json golden = Json::parse(line); golden["task"] == task) lines.push_back(std::move(golden));
  }
  return lines;
}

using Bytes = std::vector<uint8_t>;

Bytes Part(const Bytes& bytes, size_t first, size_t end) { return {bytes.begin() + first, bytes.begin() + end}; }

// The stream draws counts and distances itself, so this waits until it draws those of the golden sample.
TEST(SequenceGolden, CopySamplesMatch) {
  const auto lines = GoldenLines("Copy");
  ASSERT_EQ(lines.size(), 3);
  for (const Json& golden : lines) {
    const int64_t count_max = golden["count_max"], distance = golden["distance"];
    const auto stream = MakeStream("Copy-v0", {.steps = 50'000}, {{"count_max", count_max}, {"distance", distance}});
    const Row row = ReadRows(*stream, 1)[0];
    int matches = 0;
    for (size_t first = 0, end = 1; end < row.tokens.size(); ++end) {
      if (!row.episode_start[end]) continue;
      matches += Part(row.tokens, first, end) == golden["tokens"].get<Bytes>() &&
                 Part(row.labels, first, end) == golden["labels"].get<Bytes>();
      first = end;
    }
    EXPECT_GT(matches, 0) << golden.dump();
  }
}

TEST(SequenceGolden, CollisionFramesMatch) {
  const auto lines = GoldenLines("ObjectCollision");
  ASSERT_EQ(lines.size(), 1);
  CrossingRecord record;
  Bytes tokens, labels;
  for (const Json& golden : lines[0]["frames"]) {
    CollisionFrame frame{};
    golden["positions"].get_to(frame.position);
    golden["colours"].get_to(frame.colour);
    golden["question"].get_to(frame.question);
    record.See(frame);
    const auto of_frame = TokensOf(frame);
    tokens.insert(tokens.end(), of_frame.begin(), of_frame.end());
    labels.insert(labels.end(), kFrameTokens - 1, 0);
    labels.push_back(record.LabelOf(frame.question));
  }
  EXPECT_EQ(tokens, lines[0]["tokens"].get<Bytes>());
  EXPECT_EQ(labels, lines[0]["labels"].get<Bytes>());
}

using Ranges = std::vector<std::array<int64_t, 2>>;

template <class Cut>
Ranges RowsOf(const Cut& cut, int64_t split_size, int rows) {
  Ranges ranges;
  for (int row = 0; row < rows; ++row) {
    const RowRange range = cut(split_size - 1, rows, row);
    ranges.push_back({range.first, range.count});
  }
  return ranges;
}

TEST(SequenceGolden, SplitsAndRowsOfFilesMatch) {
  const auto lines = GoldenLines("CharLM");
  ASSERT_EQ(lines.size(), 3);
  for (const Json& golden : lines) {
    const auto sizes = SplitSizes(golden["bytes"]);
    const int rows = golden["rows"];
    EXPECT_EQ(sizes, (golden["split"].get<std::array<int64_t, 3>>()));
    EXPECT_EQ(RowsOf(TrainingRow, sizes[0], rows), golden["train_rows"].get<Ranges>());
    EXPECT_EQ(RowsOf(EvaluationRow, sizes[1], rows), golden["valid_rows"].get<Ranges>());
    EXPECT_EQ(RowsOf(EvaluationRow, sizes[2], rows), golden["test_rows"].get<Ranges>());
  }
}

}  // namespace
}  // namespace lethe::envs::sequence
