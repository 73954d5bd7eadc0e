#pragma once

#include <span>
#include <vector>

#include "envs/bytes.h"
#include "envs/level.h"
#include "envs/params.h"
#include "envs/sequence/sequence_task.h"
#include "envs/stream.h"

namespace lethe::envs::sequence {

/// The random numbers of item `number` (a sample, a frame) of a split: a pure function of seed, split and number.
inline Stream SplitStream(uint64_t seed, Split split, uint32_t number) {
  const Purpose purpose = split == Split::kTrain ? Purpose::kTrain : Purpose::kEvaluate;
  return {seed, purpose, static_cast<uint32_t>(split), number};
}

/// What a saved stream must have in common with the one that takes it over; the task adds its parameters.
inline Json Identity(const SequenceSpec& spec, const StreamOptions& options) {
  return {{"task", spec.family},
          {"split", static_cast<uint32_t>(options.split)},
          {"rows", options.rows},
          {"steps", options.steps},
          {"seed", options.seed}};
}

/// The saved form of a stream: its identity and the counters that say where it is.
template <class Counter>
std::vector<std::byte> SaveCounters(const Json& identity, const std::vector<Counter>& counters) {
  ByteWriter writer;
  writer.Write(identity.dump());
  writer.Write(counters);
  writer.WriteChecksum();
  return writer.Take();
}

/// Errors: std::invalid_argument for damage, another identity or another number of counters.
template <class Counter>
std::vector<Counter> RestoreCounters(std::span<const std::byte> bytes, const Json& identity, size_t count) {
  ByteReader reader(bytes);
  reader.VerifyChecksum();
  RequireEqual(identity, Json::parse(reader.ReadText(), nullptr, /*allow_exceptions=*/false));
  auto counters = reader.Read<Counter>(count);
  reader.ExpectEnd();
  return counters;
}

}  // namespace lethe::envs::sequence
