#include "tools/python/vector_core.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "configs/crc32c.h"
#include "envs/bytes.h"
#include "envs/registration.h"
#include "envs/threaded_batch.h"

namespace lethe::python {
namespace {

// An index no row has, as lethe/core.py sees to: the policy's random numbers are not those of a level.
constexpr uint32_t kPolicyIndex = UINT32_MAX;

std::vector<std::byte> WithChecksum(std::vector<std::byte> bytes) {
  const uint32_t checksum = configs::Crc32c(bytes);
  const auto tail = std::as_bytes(std::span(&checksum, 1));
  bytes.insert(bytes.end(), tail.begin(), tail.end());
  return bytes;
}

std::span<const std::byte> CheckedContent(std::span<const std::byte> bytes) {
  uint32_t checksum = 0;
  if (bytes.size() >= sizeof checksum) {
    const auto content = bytes.first(bytes.size() - sizeof checksum);
    std::memcpy(&checksum, content.data() + content.size(), sizeof checksum);
    if (configs::Crc32c(content) == checksum) return content;
  }
  throw std::invalid_argument("saved environments are damaged or cut short");
}

// Assignment might move the memory that arrays look at.
template <class T>
void ReadInto(envs::ByteReader& reader, std::vector<T>& to) {
  std::ranges::copy(reader.Read<T>(to.size()), to.begin());
}

}  // namespace

VectorCore::VectorCore(const envs::Entry& entry, const envs::Params& params, const CoreOptions& options)
    : entry_(entry), params_(params.Clone()), options_(options), batch_(MakeBatch()), spec_(batch_->spec()) {
  const auto rows = static_cast<size_t>(size());
  for (auto* bytes : {&actions, &terminated, &truncated, &episode_start, &finished, &oracle, &memoryless, &cues})
    bytes->resize(rows);
  rewards.resize(rows);
  observations.resize(rows * spec_.tokens.size());
  metrics.resize(rows * spec_.metric_names.size());
  if (options_.same_step) final_observations.resize(observations.size());
}

VectorCore::~VectorCore() = default;

std::unique_ptr<envs::EnvBatch> VectorCore::MakeBatch() const {
  if (options_.num_envs < 1)
    throw std::invalid_argument(fmt::format("num_envs is {}; allowed: >= 1", options_.num_envs));
  const envs::BatchOptions options{options_.num_envs, options_.seed, options_.purpose, options_.first_index};
  auto batch = entry_.make_batch(*params_, options);
  if (options_.threads != 1) batch = std::make_unique<envs::ThreadedBatch>(std::move(batch), options_.threads);
  return batch;
}

envs::EnvBatch& VectorCore::batch() {
  if (!batch_) throw std::runtime_error("the environment is closed");
  if (in_use_) throw std::runtime_error("the environment is in use by another thread");
  return *batch_;
}

envs::EnvBatch& VectorCore::StartedBatch() {
  envs::EnvBatch& started = batch();
  if (!started_) throw std::logic_error("no episode yet: call reset");
  return started;
}

envs::StepOutput VectorCore::Output() {
  return {observations.data(), rewards.data(), terminated.data(), truncated.data(), episode_start.data()};
}

void VectorCore::Reset() {
  batch_->Reset(observations.data());
  BeginAll();
}

void VectorCore::Reseed(uint64_t seed) {
  const uint64_t old_seed = std::exchange(options_.seed, seed);
  try {
    auto fresh = MakeBatch();
    if (curriculum_) fresh->SetCurriculum(*curriculum_);
    batch_ = std::move(fresh);
  } catch (...) {
    options_.seed = old_seed;
    throw;
  }
  memoryless_calls_ = 0;
  Reset();
}

void VectorCore::Begin(int row) {
  rewards[row] = 0;
  terminated[row] = truncated[row] = finished[row] = 0;
  episode_start[row] = 1;
}

void VectorCore::BeginAll() {
  started_ = true;
  for (int row = 0; row < size(); ++row) Begin(row);
}

void VectorCore::ResetRows(const uint8_t* mask) {
  envs::EnvBatch& some = StartedBatch();
  for (int row = 0; row < size(); ++row) {
    if (!mask[row]) continue;
    some.Restart(row, &observations[static_cast<size_t>(row) * spec_.tokens.size()]);
    Begin(row);
  }
}

bool VectorCore::Step() {
  batch_->Step(actions.data(), Output());
  started_ = true;
  return CollectFinished();
}

// Most steps end no episode, others a few in thousands of rows: a pass that the compiler vectorises, then memchr.
bool VectorCore::CollectFinished() {
  const uint8_t *terminated_row = terminated.data(), *truncated_row = truncated.data();
  uint8_t *first = finished.data(), *end = first + size();
  uint8_t any = 0;
  for (uint8_t* row = first; row != end; ++row) any |= * row = *terminated_row++ | *truncated_row++;
  if (!any) return false;
  const void* found = std::memchr(first, 1, finished.size());
  while (found) {
    const auto* row = static_cast<const uint8_t*>(found);
    CollectRow(static_cast<int>(row - first));
    found = std::memchr(row + 1, 1, static_cast<size_t>(end - row - 1));
  }
  return true;
}

void VectorCore::CollectRow(int row) {
  size_t place = static_cast<size_t>(row);
  for (const float value : batch_->EpisodeMetrics(row)) {
    metrics[place] = value;
    place += static_cast<size_t>(size());
  }
  if (!options_.same_step) return;
  const size_t offset = static_cast<size_t>(row) * spec_.tokens.size();
  std::copy_n(&observations[offset], spec_.tokens.size(), &final_observations[offset]);
  batch_->Restart(row, &observations[offset]);
  episode_start[row] = 1;
}

void VectorCore::Oracle() { StartedBatch().Oracle(oracle.data()); }

void VectorCore::Memoryless() {
  envs::EnvBatch& started = StartedBatch();
  envs::Stream random(options_.seed, options_.purpose, kPolicyIndex, memoryless_calls_++);
  started.Memoryless(observations.data(), random, memoryless.data());
}

void VectorCore::Cues() { StartedBatch().Cues(cues.data()); }

void VectorCore::LoadLevel(int row, const std::string& level_json) {
  envs::EnvBatch& started = StartedBatch();
  started.LoadLevel(row, level_json);
  started.Observe(observations.data());
  Begin(row);
}

void VectorCore::SetCurriculum(double value) {
  batch().SetCurriculum(value);
  curriculum_ = value;
}

// What the bytes of the batch inside do not say.
std::string VectorCore::Identity() const {
  return fmt::format("lethe vector environment, {} autoreset", options_.same_step ? "same-step" : "next-step");
}

std::vector<std::byte> VectorCore::Save() {
  envs::ByteWriter writer;
  writer.Write(Identity());
  writer.Write(batch().Save());
  writer.Write(std::vector<uint64_t>{options_.seed, static_cast<uint64_t>(options_.purpose), options_.first_index,
                                     memoryless_calls_, started_, curriculum_.has_value()});
  writer.Write(std::vector<double>{curriculum_.value_or(0)});
  for (const auto* bytes : {&observations, &final_observations, &terminated, &truncated, &episode_start, &finished})
    writer.Write(*bytes);
  writer.Write(rewards);
  writer.Write(metrics);
  return WithChecksum(writer.Take());
}

void VectorCore::Restore(std::span<const std::byte> bytes) {
  envs::EnvBatch& all = batch();
  envs::ByteReader reader(CheckedContent(bytes));
  if (reader.ReadText() != Identity()) throw std::invalid_argument("these bytes are of no " + Identity());
  const std::string saved_batch = reader.ReadText();
  all.Restore(std::as_bytes(std::span(saved_batch)));  // checks the size, so nothing after it fails
  const auto numbers = reader.Read<uint64_t>(6);
  const double curriculum = reader.Read<double>(1)[0];
  for (auto* to : {&observations, &final_observations, &terminated, &truncated, &episode_start, &finished})
    ReadInto(reader, *to);
  ReadInto(reader, rewards);
  ReadInto(reader, metrics);
  options_.seed = numbers[0];
  options_.purpose = static_cast<envs::Purpose>(numbers[1]);
  options_.first_index = numbers[2];
  memoryless_calls_ = static_cast<uint32_t>(numbers[3]);
  started_ = numbers[4] != 0;
  curriculum_ = numbers[5] != 0 ? std::optional(curriculum) : std::nullopt;
}

void VectorCore::Close() {
  if (batch_) batch();  // not while it is stepped
  batch_.reset();
}

}  // namespace lethe::python
