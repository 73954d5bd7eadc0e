#include "configs/tensorboard.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>
#include <exception>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "configs/crc32c.h"

namespace lethe::configs {
namespace {

constexpr size_t kFlushBytes = 64 * 1024;
constexpr int kBins = 64;

// Protocol buffers: a message is a list of (field number, value); these append one field. The key of a field is
// its number and how its value is laid out.

enum WireType : uint64_t { kVarint = 0, kFixed64 = 1, kLengthDelimited = 2, kFixed32 = 5 };

void AppendVarint(std::string& message, uint64_t value) {
  for (; value >= 0x80; value >>= 7) message += static_cast<char>(value | 0x80);
  message += static_cast<char>(value);
}

template <typename T>
void AppendRaw(std::string& message, T value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  message.append(bytes, sizeof value);
}

void AppendInteger(std::string& message, uint64_t field, int64_t value) {
  AppendVarint(message, field << 3 | kVarint);
  AppendVarint(message, static_cast<uint64_t>(value));
}

void AppendDouble(std::string& message, uint64_t field, double value) {
  AppendVarint(message, field << 3 | kFixed64);
  AppendRaw(message, value);
}

void AppendFloat(std::string& message, uint64_t field, float value) {
  AppendVarint(message, field << 3 | kFixed32);
  AppendRaw(message, value);
}

/// Text and messages inside messages.
void AppendText(std::string& message, uint64_t field, std::string_view value) {
  AppendVarint(message, field << 3 | kLengthDelimited);
  AppendVarint(message, value.size());
  message += value;
}

void AppendPacked(std::string& message, uint64_t field, const std::vector<double>& values) {
  std::string packed;
  for (const double value : values) AppendRaw(packed, value);
  AppendText(message, field, packed);
}

// Field numbers of the messages.

struct Event {
  enum : uint64_t { kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5, kSessionLog = 7 };
};
struct SessionLog {
  enum : uint64_t { kStatus = 1 };
  enum : int64_t { kStart = 1 };
};
struct Summary {
  enum : uint64_t { kValue = 1 };
};
struct Value {
  enum : uint64_t { kTag = 1, kSimpleValue = 2, kHistogram = 5 };
};
struct HistogramProto {
  enum : uint64_t { kMin = 1, kMax, kCount, kSum, kSumOfSquares, kBucketLimits, kBuckets };
};

/// `values` is not empty.
std::string EncodeHistogram(const std::vector<double>& values) {
  const auto [min, max] = std::minmax_element(values.begin(), values.end());
  const int bins = *min == *max ? 1 : kBins;
  const double width = (*max - *min) / bins;
  std::vector<double> limits, counts(static_cast<size_t>(bins), 0.0);
  for (int bin = 1; bin <= bins; ++bin) limits.push_back(bin == bins ? *max : *min + bin * width);
  double sum = 0, sum_of_squares = 0;
  for (const double value : values) {
    const int bin = bins == 1 ? 0 : std::min(bins - 1, static_cast<int>((value - *min) / width));
    counts[static_cast<size_t>(bin)] += 1;
    sum += value;
    sum_of_squares += value * value;
  }
  std::string message;
  AppendDouble(message, HistogramProto::kMin, *min);
  AppendDouble(message, HistogramProto::kMax, *max);
  AppendDouble(message, HistogramProto::kCount, static_cast<double>(values.size()));
  AppendDouble(message, HistogramProto::kSum, sum);
  AppendDouble(message, HistogramProto::kSumOfSquares, sum_of_squares);
  AppendPacked(message, HistogramProto::kBucketLimits, limits);
  AppendPacked(message, HistogramProto::kBuckets, counts);
  return message;
}

/// A TFRecord: length, its checksum, data, their checksum.
void AppendRecord(std::string& file, std::string_view data) {
  std::string length;
  AppendRaw(length, static_cast<uint64_t>(data.size()));
  file += length;
  AppendRaw(file, MaskedCrc32c(Crc32c(AsBytes(length))));
  file += data;
  AppendRaw(file, MaskedCrc32c(Crc32c(AsBytes(data))));
}

double SecondsSinceEpoch() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// TensorBoard reads the files of a folder in the order of their names, so the time comes first, and two writers of one
/// process within a second are told apart by their number.
std::string NewPath(const std::string& dir) {
  static std::atomic<int> number = 0;
  char host[256] = "";
  if (::gethostname(host, sizeof host - 1) != 0) host[0] = '\0';
  return fmt::format("{}/events.out.tfevents.{:010d}.{}.{}.{}", dir, static_cast<int64_t>(SecondsSinceEpoch()),
                     host[0] != '\0' ? host : "unknown", ::getpid(), number++);
}

FileDescriptor CreateNew(const std::string& path) {
  FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666));
  if (file.get() < 0) throw FileError(path, "cannot create");
  return file;
}

}  // namespace

TensorBoardWriter::TensorBoardWriter(const std::string& dir, int64_t first_step)
    : path_(NewPath(dir)), file_(CreateNew(path_)) {
  std::string version, start, session;
  AppendText(version, Event::kFileVersion, "brain.Event:2");
  WriteEvent(0, version);
  // Also for a new run: TensorBoard takes the first start of a folder for no restart and drops nothing for it.
  AppendInteger(start, SessionLog::kStatus, SessionLog::kStart);
  AppendText(session, Event::kSessionLog, start);
  WriteEvent(first_step, session);
  Flush();
}

TensorBoardWriter::~TensorBoardWriter() {
  try {
    Flush();
  } catch (const std::exception&) {
    // A destructor must not throw; the run reports a full disk through its checkpoints and metrics.
  }
}

void TensorBoardWriter::Scalar(std::string_view tag, int64_t step, double value) {
  std::string message;
  AppendText(message, Value::kTag, tag);
  AppendFloat(message, Value::kSimpleValue, static_cast<float>(value));
  WriteSummary(step, message);
}

void TensorBoardWriter::Histogram(std::string_view tag, int64_t step, std::span<const float> values) {
  std::vector<double> finite;
  for (const float value : values)
    if (std::isfinite(value)) finite.push_back(value);
  if (finite.empty()) return;
  std::string message;
  AppendText(message, Value::kTag, tag);
  AppendText(message, Value::kHistogram, EncodeHistogram(finite));
  WriteSummary(step, message);
}

void TensorBoardWriter::Flush() {
  // Given up even when the write fails: repeating it would put half a record in the middle of the file.
  const std::string records = std::exchange(pending_, {});
  WriteAll(file_.get(), AsBytes(records), path_);
}

void TensorBoardWriter::WriteSummary(int64_t step, const std::string& value) {
  std::string summary, what;
  AppendText(summary, Summary::kValue, value);
  AppendText(what, Event::kSummary, summary);
  WriteEvent(step, what);
}

void TensorBoardWriter::WriteEvent(int64_t step, const std::string& what) {
  std::string event;
  AppendDouble(event, Event::kWallTime, SecondsSinceEpoch());
  AppendInteger(event, Event::kStep, step);
  AppendRecord(pending_, event + what);
  if (pending_.size() >= kFlushBytes) Flush();
}

}  // namespace lethe::configs
