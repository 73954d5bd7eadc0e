#pragma once

#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agents/sequence_options.h"
#include "agents/sequence_trainer.h"

namespace lethe::agents {

/// Options of a sequence run from "key=value" assignments.
inline std::unique_ptr<SequenceOptions> MakeSequence(const std::vector<std::string>& assignments) {
  configs::Document document;
  for (const std::string& assignment : assignments) document.Override(assignment);
  return ReadSequenceOptions(document);
}

/// A run of a second at most on Copy over some steps, with a model of a few thousand parameters; `more` replaces and
/// adds.
inline std::unique_ptr<SequenceOptions> MakeTinySequence(const std::vector<std::string>& more = {}) {
  std::map<std::string, std::string> values = {
      {"task.id", "Copy-v0"},       {"task.distance", "20"},     {"task.count_max", "4"},
      {"task.valid_samples", "20"}, {"task.test_samples", "20"}, {"memory.dim", "16"},
      {"train.batch", "6"},         {"train.block", "16"},       {"log.live_seconds", "0"},
  };
  for (const std::string& assignment : more)
    values[assignment.substr(0, assignment.find('='))] = assignment.substr(assignment.find('=') + 1);
  std::vector<std::string> all;
  for (const auto& [key, value] : values) all.push_back(key + "=" + value);
  return MakeSequence(all);
}

/// Sentences that repeat: text of little entropy.
inline std::string WriteText(const std::string& path, int sentences = 200) {
  std::ofstream file(path);
  for (int i = 0; i < sentences; ++i) file << "the quick brown fox jumps over the lazy dog " << i % 3 << ".\n";
  return path;
}

}  // namespace lethe::agents
