#include "configs/tensorboard.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "configs/crc32c.h"
#include "tests/child_process.h"
#include "tests/temporary_folder.h"

namespace lethe::configs {
namespace {

using tests::TemporaryFolder;

template <typename T>
T Take(std::string_view& from) {
  T value{};
  if (from.size() < sizeof value) throw std::runtime_error("torn");
  std::memcpy(&value, from.data(), sizeof value);
  from.remove_prefix(sizeof value);
  return value;
}

std::string_view TakeText(std::string_view& from, size_t size) {
  if (from.size() < size) throw std::runtime_error("torn");
  const std::string_view text = from.substr(0, size);
  from.remove_prefix(size);
  return text;
}

uint64_t TakeVarint(std::string_view& from) {
  uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = Take<uint8_t>(from);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
}

/// A decoded message: field number -> raw value (numbers as their bytes).
std::map<uint64_t, std::string> Decode(std::string_view message) {
  std::map<uint64_t, std::string> fields;
  while (!message.empty()) {
    const uint64_t key = TakeVarint(message);
    std::string& value = fields[key >> 3];
    if ((key & 7) == 0)
      value = std::to_string(TakeVarint(message));
    else if ((key & 7) == 1)
      value = TakeText(message, 8);
    else if ((key & 7) == 2)
      value = TakeText(message, TakeVarint(message));
    else if ((key & 7) == 5)
      value = TakeText(message, 4);
    else
      throw std::runtime_error("unknown wire type");
  }
  return fields;
}

template <typename T>
T As(std::string_view bytes) {
  return Take<T>(bytes);
}

std::vector<double> Doubles(std::string_view packed) {
  std::vector<double> values;
  while (!packed.empty()) values.push_back(Take<double>(packed));
  return values;
}

/// Checks the frame of every record and gives back their events.
std::vector<std::map<uint64_t, std::string>> Events(const std::string& path) {
  const std::string content = ReadWholeFile(path);
  std::string_view left = content;
  std::vector<std::map<uint64_t, std::string>> events;
  while (!left.empty()) {
    const std::string_view length_bytes = left.substr(0, 8);
    const auto length = Take<uint64_t>(left);
    EXPECT_EQ(Take<uint32_t>(left), MaskedCrc32c(Crc32c(AsBytes(length_bytes))));
    const std::string_view data = TakeText(left, length);
    EXPECT_EQ(Take<uint32_t>(left), MaskedCrc32c(Crc32c(AsBytes(data))));
    events.push_back(Decode(data));
  }
  return events;
}

std::map<uint64_t, std::string> ValueOf(const std::map<uint64_t, std::string>& event) {
  return Decode(Decode(event.at(5)).at(1));
}

/// What follows the two records that open every file.
std::vector<std::map<uint64_t, std::string>> Summaries(const std::string& path) {
  auto events = Events(path);
  events.erase(events.begin(), events.begin() + 2);
  return events;
}

TEST(TensorBoard, BeginsWithTheVersionOfTheFormatAndAStart) {
  const TemporaryFolder folder;
  const TensorBoardWriter writer(folder.path());
  EXPECT_TRUE(std::filesystem::path(writer.path()).filename().string().starts_with("events.out.tfevents."));
  const auto events = Events(writer.path());
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].at(3), "brain.Event:2");
  EXPECT_GT(As<double>(events[0].at(1)), 1.7e9);  // seconds since 1970
  EXPECT_EQ(events[1].at(2), "0");
  EXPECT_EQ(Decode(events[1].at(7)).at(1), "1");  // SessionLog.START
}

TEST(TensorBoard, WritesScalars) {
  const TemporaryFolder folder;
  TensorBoardWriter writer(folder.path());
  writer.Scalar("score", 3'000'000'000, 0.5);
  writer.Scalar("loss/value", 0, -1e300);
  writer.Flush();
  const auto events = Summaries(writer.path());
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].at(2), "3000000000");
  EXPECT_EQ(ValueOf(events[0]).at(1), "score");
  EXPECT_EQ(As<float>(ValueOf(events[0]).at(2)), 0.5f);
  EXPECT_EQ(As<float>(ValueOf(events[1]).at(2)), -std::numeric_limits<float>::infinity());
}

TEST(TensorBoard, WritesHistograms) {
  const TemporaryFolder folder;
  TensorBoardWriter writer(folder.path());
  std::vector<float> spans = {std::nanf(""), INFINITY};
  for (int i = 0; i <= 128; ++i) spans.push_back(static_cast<float>(i));
  writer.Histogram("spans/layer1", 7, spans);
  writer.Flush();
  const auto events = Summaries(writer.path());
  ASSERT_EQ(events.size(), 1u);
  const auto histogram = Decode(ValueOf(events[0]).at(5));
  EXPECT_EQ(As<double>(histogram.at(1)), 0);
  EXPECT_EQ(As<double>(histogram.at(2)), 128);
  EXPECT_EQ(As<double>(histogram.at(3)), 129);
  EXPECT_EQ(As<double>(histogram.at(4)), 128 * 129 / 2);
  EXPECT_EQ(As<double>(histogram.at(5)), 128.0 * 129 * 257 / 6);
  const auto limits = Doubles(histogram.at(6)), counts = Doubles(histogram.at(7));
  ASSERT_EQ(limits.size(), 64u);
  ASSERT_EQ(counts.size(), 64u);
  EXPECT_EQ(limits.front(), 2);
  EXPECT_EQ(limits.back(), 128);
  EXPECT_EQ(counts.front(), 2);
  EXPECT_EQ(counts.back(), 3);  // 126, 127 and the largest itself
}

TEST(TensorBoard, HistogramOfOneValueHasOneBin) {
  const TemporaryFolder folder;
  TensorBoardWriter writer(folder.path());
  writer.Histogram("same", 1, std::vector<float>(5, 2.5f));
  writer.Histogram("nothing", 1, std::vector<float>{std::nanf("")});
  writer.Flush();
  const auto events = Summaries(writer.path());
  ASSERT_EQ(events.size(), 1u);
  const auto histogram = Decode(ValueOf(events[0]).at(5));
  EXPECT_EQ(Doubles(histogram.at(6)), std::vector<double>{2.5});
  EXPECT_EQ(Doubles(histogram.at(7)), std::vector<double>{5});
}

TEST(TensorBoard, ResumeTellsFromWhichStepEarlierFilesAreVoid) {
  const TemporaryFolder folder;
  const TensorBoardWriter writer(folder.path(), 1001);
  const auto events = Events(writer.path());
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[1].at(2), "1001");
}

TEST(TensorBoard, WritersOfOneFolderDoNotMeet) {
  const TemporaryFolder folder;
  const TensorBoardWriter first(folder.path()), second(folder.path());
  EXPECT_LT(first.path(), second.path());  // TensorBoard reads them in this order
}

TEST(TensorBoard, HandsOverByItselfAndAtTheEnd) {
  const TemporaryFolder folder;
  std::string path;
  {
    TensorBoardWriter writer(folder.path());
    path = writer.path();
    for (int step = 0; step < 2000; ++step) writer.Scalar("score", step, 0);
    EXPECT_GT(Events(path).size(), 1000u);
  }
  EXPECT_EQ(Events(path).size(), 2002u);
}

TEST(CrashTensorBoard, FullDiskIsReported) {
  const TemporaryFolder folder;
  const std::string message = tests::MessageFromChild([&] {
    TensorBoardWriter writer(folder.path());
    tests::LimitFileSize(1000);
    for (int step = 0; step < 100; ++step) writer.Scalar("score", step, 0);
    writer.Flush();
  });
  EXPECT_NE(message.find("cannot write: File too large"), std::string::npos) << message;
}

}  // namespace
}  // namespace lethe::configs
