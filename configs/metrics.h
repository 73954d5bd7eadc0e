#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

#include "configs/atomic_file.h"

namespace lethe::configs {

/// Appends to metrics.jsonl: one JSON object per line, in the order of its keys.
/// A line reaches the file in one write, so a reader beside the run, or a crash, sees whole lines; when the disk is
/// full the part that fitted is taken back before the error is thrown. Numbers that are not finite are written as null,
/// text that is not UTF-8 with the replacement character.
/// Errors: std::system_error with path and reason; std::invalid_argument when a line is not an object.
/// Threads: one writer belongs to one thread.
class MetricsWriter {
 public:
  explicit MetricsWriter(const std::string& path);

  void Write(const nlohmann::ordered_json& line);

  /// For resume: drops every line whose number `key` lies beyond `last`, that of the checkpoint, and any line that is
  /// not whole. The lines that stay are untouched. Atomic.
  void TruncateAfter(int64_t last, const std::string& key = "env_steps");

 private:
  const std::string path_;
  FileDescriptor file_;
};

}  // namespace lethe::configs
