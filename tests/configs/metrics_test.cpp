#include "configs/metrics.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <limits>
#include <string>

#include "tests/child_process.h"
#include "tests/temporary_folder.h"

namespace lethe::configs {
namespace {

using Json = nlohmann::ordered_json;
using tests::TemporaryFolder;

TEST(Metrics, WritesOneLineInTheOrderOfTheKeys) {
  const TemporaryFolder folder;
  MetricsWriter writer(folder / "metrics.jsonl");
  writer.Write(Json{{"phase", "learn"}, {"env_steps", 10}, {"living_memories", {8.5, 7.0}}});
  writer.Write(Json{{"text", "two\nlines"}});
  EXPECT_EQ(ReadWholeFile(folder / "metrics.jsonl"),
            "{\"phase\":\"learn\",\"env_steps\":10,\"living_memories\":[8.5,7.0]}\n{\"text\":\"two\\nlines\"}\n");
}

TEST(Metrics, WritesNumbersThatAreNotFiniteAsNull) {
  const TemporaryFolder folder;
  MetricsWriter writer(folder / "m");
  const double inf = std::numeric_limits<double>::infinity();
  writer.Write(Json{{"nan", std::numeric_limits<double>::quiet_NaN()}, {"inf", {inf, -inf}}});
  EXPECT_EQ(ReadWholeFile(folder / "m"), "{\"nan\":null,\"inf\":[null,null]}\n");
}

TEST(Metrics, ContinuesAnExistingFile) {
  const TemporaryFolder folder;
  MetricsWriter(folder / "m").Write(Json{{"env_steps", 1}});
  MetricsWriter(folder / "m").Write(Json{{"env_steps", 2}});
  EXPECT_EQ(ReadWholeFile(folder / "m"), "{\"env_steps\":1}\n{\"env_steps\":2}\n");
}

TEST(Metrics, RefusesALineThatIsNotAnObject) {
  const TemporaryFolder folder;
  MetricsWriter writer(folder / "m");
  EXPECT_THROW(writer.Write(Json(3)), std::invalid_argument);
  EXPECT_EQ(ReadWholeFile(folder / "m"), "");
}

TEST(Metrics, ErrorsNamePathAndReason) {
  try {
    MetricsWriter("/dev/full").Write(Json{{"a", 1}});
    FAIL();
  } catch (const std::system_error& error) {
    EXPECT_EQ(std::string(error.what()), "/dev/full: cannot write: No space left on device");
  }
}

TEST(CrashMetrics, TruncateAfterDropsLaterTornAndDamagedLines) {
  const TemporaryFolder folder;
  const std::string early = "{ \"env_steps\": 100, \"score\": 1e0 }\n{\"note\":\"no steps\"}\n{\"env_steps\":200}\n";
  const std::string zeros(10, '\0');
  WriteFileAtomically(folder / "m", early + "{\"env_steps\":201}\n" + zeros + "\n{\"env_steps\":150}\n{\"env_st");
  MetricsWriter writer(folder / "m");
  writer.TruncateAfter(200);
  const std::string kept = early + "{\"env_steps\":150}\n";
  EXPECT_EQ(ReadWholeFile(folder / "m"), kept);
  writer.Write(Json{{"env_steps", 300}});  // goes to the new file
  EXPECT_EQ(ReadWholeFile(folder / "m"), kept + "{\"env_steps\":300}\n");
  EXPECT_EQ(folder.NumEntries(), 1u);
}

TEST(CrashMetrics, TruncateAfterEverythingChangesNothing) {
  const TemporaryFolder folder;
  MetricsWriter writer(folder / "m");
  writer.TruncateAfter(0);  // an empty file
  writer.Write(Json{{"env_steps", 7}});
  writer.TruncateAfter(7);
  EXPECT_EQ(ReadWholeFile(folder / "m"), "{\"env_steps\":7}\n");
}

TEST(CrashMetrics, LineThatDoesNotFitIsTakenBack) {
  const TemporaryFolder folder;
  MetricsWriter writer(folder / "m");
  writer.Write(Json{{"env_steps", 1}});
  const std::string message = tests::MessageFromChild([&] {
    tests::LimitFileSize(30);  // the file has 16 bytes, so half of the next line fits
    writer.Write(Json{{"env_steps", 2}, {"text", std::string(100, 'x')}});
  });
  EXPECT_EQ(message, (folder / "m") + ": cannot write: File too large");
  EXPECT_EQ(ReadWholeFile(folder / "m"), "{\"env_steps\":1}\n");
}

}  // namespace
}  // namespace lethe::configs
