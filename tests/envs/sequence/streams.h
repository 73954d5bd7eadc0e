#pragma once

#include <memory>
#include <string>
#include <vector>

#include "envs/sequence/sequence_registry.h"

namespace lethe::envs::sequence {

/// A block with buffers of its own.
struct Block {
  explicit Block(const StreamOptions& options)
      : steps(options.steps),
        tokens(static_cast<size_t>(options.rows * options.steps)),
        labels(tokens.size()),
        scored(tokens.size()),
        episode_start(tokens.size()),
        padding(tokens.size()) {}

  TokenBlock out() { return {tokens.data(), labels.data(), scored.data(), episode_start.data(), padding.data()}; }
  bool operator==(const Block&) const = default;

  int64_t steps;
  std::vector<uint8_t> tokens, labels, scored, episode_start, padding;
};

inline std::unique_ptr<SequenceStream> MakeStream(const std::string& id, const StreamOptions& options,
                                                  const std::vector<Change>& changes = {}) {
  const TaskEntry& entry = Find(id);
  const auto params = entry.make_params();
  for (const Change& change : changes) params->Set(change.name, change.value);
  return entry.make_stream(*params, options);
}

/// One row of a stream as one long block: `blocks` blocks, or, of an evaluation, as many as there are.
struct Row {
  std::vector<uint8_t> tokens, labels, scored, episode_start, padding;
  bool operator==(const Row&) const = default;
};

inline std::vector<Row> ReadRows(SequenceStream& stream, int blocks = 1 << 30) {
  std::vector<Row> rows(static_cast<size_t>(stream.options().rows));
  Block block(stream.options());
  for (int read = 0; read < blocks && stream.Next(block.out()); ++read) {
    for (size_t row = 0; row < rows.size(); ++row) {
      const auto append = [&](std::vector<uint8_t>& to, const std::vector<uint8_t>& from) {
        const auto first = from.begin() + static_cast<int64_t>(row) * block.steps;
        to.insert(to.end(), first, first + block.steps);
      };
      append(rows[row].tokens, block.tokens);
      append(rows[row].labels, block.labels);
      append(rows[row].scored, block.scored);
      append(rows[row].episode_start, block.episode_start);
      append(rows[row].padding, block.padding);
    }
  }
  return rows;
}

}  // namespace lethe::envs::sequence
