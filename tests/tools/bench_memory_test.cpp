#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/tools/program.h"

namespace lethe {
namespace {

using Json = nlohmann::json;
using tests::RunLethe;

std::vector<Json> Rows(std::vector<std::string> words) {
  const std::vector<std::string> small = {"--json",  "--seconds", "0.001",         "--batch",         "2",
                                          "--block", "8",         "memory.dim=16", "memory.layers=1", "memory.ffn=32"};
  words.insert(words.begin(), {"bench", "memory"});
  words.insert(words.end(), small.begin(), small.end());
  const auto ended = RunLethe(".", words);
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  std::vector<Json> rows;
  std::istringstream lines(ended.out);
  for (std::string line; std::getline(lines, line);) rows.push_back(Json::parse(line));
  return rows;
}

TEST(BenchMemory, TellsSpeedSavedBytesAndShareOfTheLimit) {
  const auto rows = Rows({"spans", "memory.span_limit=64", "memory.ramp=6"});
  ASSERT_GE(rows.size(), 9u);
  size_t published = 0;
  for (const Json& row : rows) {
    published += row["core"] == "published" ? 1 : 0;
    EXPECT_EQ(row["keeps_freed_memory"], row["core"] != "published");
    EXPECT_EQ(row["limit"], 64);
    EXPECT_EQ(row["dtype"], "float32");
    EXPECT_NEAR(row["fraction_of_limit"].get<double>(),
                row["chars_per_cpu_s"].get<double>() * row["flops_per_char"].get<double>() /
                    (1e9 * row["matrix_gflops"].get<double>()),
                1e-6);
    EXPECT_GT(row["saved_bytes"].get<double>(), 0);
    EXPECT_GT(row["times_published"].get<double>(), 0);
  }
  EXPECT_EQ(published, 3u);
  // Alive while age < span + ramp: 32 + 6 at half the limit, so ages 1 .. 37.
  EXPECT_EQ(rows[4]["core"], "published, kept");
  EXPECT_EQ(rows[5]["core"], "expire_span");
  EXPECT_EQ(rows[5]["span_fraction"], 0.5);
  EXPECT_EQ(rows[5]["living_memories"], 37);
  const double layer = 2 * (4 * 16 * 16 + 2 * 16 * 32) + 4 * 37 * 16 + 4 * 37 * 16 * 16 / 8.0;
  EXPECT_NEAR(rows[5]["flops_per_char"].get<double>(), 3 * (layer + 2 * 256 * 16), 1e-6);
  EXPECT_EQ(rows[5]["resident_bytes"], 2 * 37 * (16 * 4 + 8));
}

TEST(BenchMemory, MeasuresThePublishedAlgorithmAlone) {
  const auto rows = Rows({"spans", "--published", "memory.span_limit=64", "memory.ramp=6"});
  ASSERT_EQ(rows.size(), 3u);
  for (const Json& row : rows) {
    EXPECT_EQ(row["core"], "published");
    EXPECT_EQ(row["keeps_freed_memory"], false);
  }
  const auto refused = RunLethe(".", {"bench", "memory", "long", "--published"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, testing::HasSubstr("--published has the rows `spans` and `uneven` only"));
}

TEST(BenchMemory, MeasuresUnevenRowsAndLongLimitsWithTheSameMemories) {
  const auto rows = Rows({"uneven", "long", "memory.span_limit=200", "memory.ramp=6"});
  ASSERT_EQ(rows.size(), 5u);
  EXPECT_EQ(rows[2]["row"], "uneven");
  EXPECT_EQ(rows[2]["living_memories"], (205 + 25) / 2.0);
  EXPECT_EQ(rows[0]["resident_bytes"], 2 * 208 * (16 * 4 + 8));  // whole blocks, as the longest row needs
  EXPECT_EQ(rows[4]["limit"], 3200);
  EXPECT_EQ(rows[4]["living_memories"], rows[3]["living_memories"]);
  EXPECT_EQ(rows[4]["resident_bytes"], rows[3]["resident_bytes"]);
}

TEST(BenchMemory, MeasuresASteppingMemory) {
  const auto rows = Rows({"step"});
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[1]["living_memories"], 32);
  for (const auto& row : rows) {
    EXPECT_GT(row["us_per_row"].get<double>(), 0);
    EXPECT_GT(row["operator_us_per_row"].get<double>(), 0);
    EXPECT_GT(row["unroll_us_per_row"].get<double>(), row["us_per_row"].get<double>());
    EXPECT_GT(row["operator_unroll_us_per_row"].get<double>(), row["operator_us_per_row"].get<double>());
  }
}

}  // namespace
}  // namespace lethe
