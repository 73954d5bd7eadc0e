#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "configs/atomic_file.h"

namespace lethe::configs {

/// Writes scalars and histograms to an events.out.tfevents.* file that TensorBoard reads; every writer makes a file of
/// its own. Records are collected in memory: Flush hands them over, as does reaching 64 KiB, and the end of the writer.
/// Errors: std::system_error with path and reason, except from the destructor, which drops what it cannot write.
/// Threads: one writer belongs to one thread.
/// Source: tensorflow/core/lib/io/record_writer.h (framing), tensorflow/core/util/event.proto and
/// tensorflow/core/framework/summary.proto (messages), of which this writes the few fields that are needed.
class TensorBoardWriter {
 public:
  /// A resumed run gives the step after its checkpoint: TensorBoard then ignores what earlier files of the folder hold
  /// from `first_step` on.
  explicit TensorBoardWriter(const std::string& dir, int64_t first_step = 0);
  ~TensorBoardWriter();

  void Scalar(std::string_view tag, int64_t step, double value);

  /// In 64 equal bins from the smallest to the largest value. Values that are not finite are left out; nothing is
  /// written when none remains.
  void Histogram(std::string_view tag, int64_t step, std::span<const float> values);

  void Flush();

  const std::string& path() const { return path_; }

 private:
  void WriteSummary(int64_t step, const std::string& value);
  void WriteEvent(int64_t step, const std::string& what);

  const std::string path_;
  FileDescriptor file_;
  std::string pending_;
};

}  // namespace lethe::configs
