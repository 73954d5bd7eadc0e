#include "envs/last_action.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

namespace lethe::envs {
namespace {

Spec WithLastAction(Spec spec) {
  if (spec.num_actions > 255)
    throw std::invalid_argument(
        fmt::format("{} has {} actions; allowed with the last one in view: <= 255", spec.family, spec.num_actions));
  TokenSpec token{"last action", spec.num_actions + 1, {"none"}};
  token.values.insert(token.values.end(), spec.action_names.begin(), spec.action_names.end());
  spec.tokens.push_back(std::move(token));
  return spec;
}

}  // namespace

LastActionBatch::LastActionBatch(std::unique_ptr<EnvBatch> batch)
    : batch_(std::move(batch)),
      spec_(WithLastAction(batch_->spec())),
      inner_tokens_(spec_.tokens.size() - 1),
      inner_(static_cast<size_t>(batch_->size()) * inner_tokens_),
      last_(static_cast<size_t>(batch_->size())) {}

void LastActionBatch::Write(int first, int end, uint8_t* observations) const {
  for (auto row = static_cast<size_t>(first); row < static_cast<size_t>(end); ++row) {
    uint8_t* out = observations + row * (inner_tokens_ + 1);
    std::copy_n(&inner_[row * inner_tokens_], inner_tokens_, out);
    out[inner_tokens_] = last_[row];
  }
}

void LastActionBatch::Reset(uint8_t* observations) {
  batch_->Reset(inner_.data());
  std::fill(last_.begin(), last_.end(), uint8_t{0});
  Write(0, size(), observations);
}

void LastActionBatch::Restart(int row, uint8_t* observation) {
  batch_->Restart(row, observation);
  last_[static_cast<size_t>(row)] = observation[inner_tokens_] = 0;
}

void LastActionBatch::StepRows(int first, int end, const uint8_t* actions, const StepOutput& out) {
  StepOutput inside = out;
  inside.observations = inner_.data();
  batch_->StepRows(first, end, actions, inside);
  for (int row = first; row < end; ++row)
    last_[static_cast<size_t>(row)] = out.episode_start[row] != 0 ? uint8_t{0} : static_cast<uint8_t>(actions[row] + 1);
  Write(first, end, out.observations);
}

void LastActionBatch::Observe(uint8_t* observations) const {
  batch_->Observe(inner_.data());
  Write(0, size(), observations);
}

std::vector<std::byte> LastActionBatch::Save() const {
  std::vector<std::byte> bytes = batch_->Save();
  const auto last = std::as_bytes(std::span(last_));
  bytes.insert(bytes.end(), last.begin(), last.end());
  return bytes;
}

void LastActionBatch::Restore(std::span<const std::byte> bytes) {
  if (bytes.size() < last_.size())
    throw std::invalid_argument("the saved environments are those of another batch: they lack their last actions");
  const auto last = bytes.last(last_.size());
  const auto too_large = [&](std::byte b) { return std::to_integer<int>(b) > spec_.num_actions; };
  if (std::any_of(last.begin(), last.end(), too_large))
    throw std::invalid_argument("the saved environments are damaged, or those of another batch");
  batch_->Restore(bytes.first(bytes.size() - last_.size()));
  std::transform(last.begin(), last.end(), last_.begin(), [](std::byte b) { return std::to_integer<uint8_t>(b); });
}

void LastActionBatch::LoadLevel(int row, const std::string& level_json) {
  batch_->LoadLevel(row, level_json);
  last_[static_cast<size_t>(row)] = 0;
}

void LastActionBatch::Memoryless(const uint8_t* observations, Stream& random, uint8_t* actions) const {
  for (size_t row = 0; row < last_.size(); ++row)
    std::copy_n(observations + row * (inner_tokens_ + 1), inner_tokens_, &inner_[row * inner_tokens_]);
  batch_->Memoryless(inner_.data(), random, actions);
}

}  // namespace lethe::envs
