#include "agents/sequence_shards.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "memory/live_bytes.h"

namespace lethe::agents {

namespace {

using torch::Tensor;

/// Rows `first` to `first + rows` of an array [rows of the block, steps].
Tensor Rows(std::vector<uint8_t>& data, int64_t first, int64_t rows, int64_t steps) {
  return torch::from_blob(data.data() + first * steps, {rows, steps}, torch::kUInt8);
}

/// Places of a shard's scored labels in its flattened rows.
Tensor ScoredPlaces(const SequenceBlock& block, int64_t first, int64_t rows) {
  std::vector<int64_t> places;
  for (int64_t i = 0; i < rows * block.steps; ++i)
    if (block.scored[static_cast<size_t>(first * block.steps + i)] != 0) places.push_back(i);
  return torch::tensor(places, torch::kLong);
}

}  // namespace

SequenceBlock::SequenceBlock(int64_t num_rows, int64_t num_steps)
    : rows(num_rows),
      steps(num_steps),
      tokens(static_cast<size_t>(rows * steps)),
      labels(tokens.size()),
      scored(tokens.size()),
      episode_start(tokens.size()),
      padding(tokens.size()),
      nats(tokens.size()),
      predicted(tokens.size()) {}

int64_t SequenceBlock::NumScored() const { return std::count(scored.begin(), scored.end(), 1); }

double SequenceBlock::SumNats() const {
  double sum = 0;
  for (size_t i = 0; i < nats.size(); ++i) sum += scored[i] != 0 ? double{nats[i]} : 0;
  return sum;
}

struct SequenceShards::Pass {
  int64_t first = 0, rows = 0;
  memory::StatePtr before;
  memory::BlockOutput out;
  Tensor places, logits;  // of the scored labels; undefined: there are none
  Tensor nats;            // [scored], of the labels
  Tensor loss;            // [scored], what is learnt from
  double kl = 0;
  std::vector<float> gradient;
  MemoryTally memory;
  int64_t saved_bytes = 0;
};

SequenceShards::SequenceShards(const SequenceModel& model, const FlatParameters& parameters, WorkerPool& pool,
                               int64_t rows, double ramp)
    : model_(model),
      parameters_(parameters),
      pool_(pool),
      rows_(rows),
      ramp_(ramp),
      memories_(static_cast<size_t>(std::min<int64_t>(pool.threads(), rows))) {
  Start();
}

void SequenceShards::Start() {
  for (size_t k = 0; k < memories_.size(); ++k) memories_[k] = model_.core().Start(FirstRow(k + 1) - FirstRow(k));
}

void SequenceShards::Restore(std::vector<memory::StatePtr> memories) {
  if (memories.size() != memories_.size())
    throw std::invalid_argument(
        fmt::format("memory of {} shards, these options need {}", memories.size(), memories_.size()));
  for (size_t k = 0; k < memories.size(); ++k) {
    if (memories[k]->rows() == memories_[k]->rows()) continue;
    throw std::invalid_argument(fmt::format("memory of {} rows in shard {}, these options need {}", memories[k]->rows(),
                                            k, memories_[k]->rows()));
  }
  memories_ = std::move(memories);
}

/// Only scored tokens pass the head.
void SequenceShards::Forward(SequenceBlock& block, uint64_t noise, size_t shard, Pass& pass) {
  pass.first = FirstRow(shard), pass.rows = FirstRow(shard + 1) - pass.first;
  const Tensor tokens = Rows(block.tokens, pass.first, pass.rows, block.steps);
  const Tensor start = Rows(block.episode_start, pass.first, pass.rows, block.steps);
  pass.before = memories_[shard];
  pass.out = model_.Forward(tokens, start, pass.before, true, noise);
  memories_[shard] = pass.out.state;
  pass.memory = MemoryTally(ramp_);
  pass.memory.Add(pass.out, *pass.before, block.padding.data() + pass.first * block.steps);
  const Tensor places = ScoredPlaces(block, pass.first, pass.rows);
  if (places.numel() == 0) return;
  const Tensor y = pass.out.y.reshape({-1, pass.out.y.size(2)});
  pass.places = places;
  pass.logits = model_.Head(y.index_select(0, places.to(y.device())));
}

/// Compares a shard's answers with the labels.
void SequenceShards::Mark(SequenceBlock& block, Pass& pass) const {
  if (!pass.logits.defined()) return;
  const Tensor labels = Rows(block.labels, pass.first, pass.rows, block.steps)
                            .reshape({-1})
                            .index_select(0, pass.places)
                            .to(pass.logits.device(), torch::kLong);
  pass.nats = torch::cross_entropy_loss(pass.logits, labels, {}, at::Reduction::None);
  const Tensor nats = pass.nats.detach().to(torch::kCPU, torch::kFloat).contiguous();
  const Tensor predicted = pass.logits.detach().argmax(1).to(torch::kCPU, torch::kUInt8).contiguous();
  for (int64_t i = 0; i < pass.places.numel(); ++i) {
    const auto at = static_cast<size_t>(pass.first * block.steps + pass.places.const_data_ptr<int64_t>()[i]);
    block.nats[at] = nats.const_data_ptr<float>()[i];
    block.predicted[at] = predicted.const_data_ptr<uint8_t>()[i];
  }
}

void SequenceShards::Backward(const SequenceBlock& block, const SpanCharge& charge, int64_t num_scored,
                              Pass& pass) const {
  const auto& out = pass.out;
  const double share = static_cast<double>(pass.rows) / static_cast<double>(block.rows);
  std::vector<Tensor> roots, grads;
  const auto add = [&](const Tensor& root, double weight) {
    if (!root.defined() || !root.requires_grad() || weight == 0) return;
    roots.push_back(root);
    grads.push_back(torch::full_like(root, weight));
  };
  add(pass.loss, 1 / static_cast<double>(std::max<int64_t>(num_scored, 1)));
  add(out.ramp_sum, charge.ramp_sum);
  add(out.span_mean, share * charge.span_mean);
  add(out.aux_loss, share);
  pass.gradient.assign(static_cast<size_t>(parameters_.size()), 0.0f);
  if (roots.empty()) return;
  AddFlat(parameters_, torch::autograd::grad(roots, parameters_.tensors(), grads, false, false, true), pass.gradient);
}

std::vector<SequenceShards::Pass> SequenceShards::ForwardAll(SequenceBlock& block, bool marks) {
  std::vector<Pass> passes(memories_.size());
  pool_.Run(static_cast<int>(passes.size()), [&](int k) {
    const torch::NoGradGuard no_grad;
    Pass& pass = passes[static_cast<size_t>(k)];
    Forward(block, 0, static_cast<size_t>(k), pass);
    if (marks) Mark(block, pass);
  });
  return passes;
}

BlockReport SequenceShards::Answer(SequenceBlock& block) {
  BlockReport report;
  report.memory = MemoryTally(ramp_);
  for (const Pass& pass : ForwardAll(block, true)) report.memory.Add(pass.memory);
  return report;
}

Lesson SequenceShards::Teach(SequenceBlock& block) {
  Lesson lesson;
  for (const Pass& pass : ForwardAll(block, false)) {
    lesson.log_probabilities.push_back(pass.logits.defined() ? torch::log_softmax(pass.logits, 1) : Tensor());
    lesson.memory.Add(pass.memory);
  }
  return lesson;
}

BlockReport SequenceShards::Learn(SequenceBlock& block, const SpanCharge& charge, uint64_t noise, bool measures,
                                  const Lesson& lesson) {
  std::vector<Pass> passes(memories_.size());
  const int64_t num_scored = block.NumScored();
  pool_.Run(static_cast<int>(passes.size()), [&](int k) {
    Pass& pass = passes[static_cast<size_t>(k)];
    const auto forward = [&] {
      Forward(block, noise + 2 * static_cast<uint64_t>(k), static_cast<size_t>(k), pass);
      const bool is_taught = !lesson.log_probabilities.empty();
      {
        const torch::AutoGradMode learns_from_labels(!is_taught);
        Mark(block, pass);
      }
      pass.loss = pass.nats;
      if (is_taught && pass.logits.defined()) {
        const Tensor& teacher = lesson.log_probabilities[static_cast<size_t>(k)];
        pass.loss = (teacher.exp() * (teacher - torch::log_softmax(pass.logits, 1))).sum(1);
        pass.kl = pass.loss.detach().sum().item<double>();
      }
      pass.logits = Tensor();
    };
    if (measures) {
      const memory::LiveBytes live;
      forward();
      pass.saved_bytes = live.bytes() - pass.out.state->bytes();  // the next block's memory is not for backward
    } else {
      forward();
    }
    Backward(block, charge, num_scored, pass);
    pass.out = {};
    pass.nats = pass.loss = Tensor();
  });
  BlockReport report;
  report.memory = MemoryTally(ramp_);
  report.teacher_memory = lesson.memory;
  report.gradient = std::move(passes[0].gradient);
  for (size_t k = 0; k < passes.size(); ++k) {
    report.memory.Add(passes[k].memory);
    report.saved_bytes += passes[k].saved_bytes;
    report.kl += passes[k].kl;
    for (size_t i = 0; k > 0 && i < report.gradient.size(); ++i) report.gradient[i] += passes[k].gradient[i];
  }
  return report;
}

}  // namespace lethe::agents
