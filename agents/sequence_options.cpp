#include "agents/sequence_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "agents/options.h"
#include "agents/read_options.h"

namespace lethe::agents {

namespace {

using configs::OneOf;
using configs::Options;
using configs::Range;

constexpr double kMany = 1e15;

void VisitTrain(SequenceOptions::Train& t, Options& v) {
  v("batch", t.batch, Range{1, 65536}, "rows that are read side by side, over all threads");
  v("block", t.block, Range{1, 65536}, "tokens of every row in an update");
  v("threads", t.threads, Range{1, 256}, "threads that compute gradients, each on rows of its own");
  v("max_updates", t.max_updates, Range{0, kMany}, "updates of learning");
  v("max_minutes", t.max_minutes, Range{0, 1e6}, "checkpoint and exit after this time; 0: no limit");
  v("dtype", t.dtype, OneOf{{"float32", "bfloat16"}},
    "what the core computes and remembers in; weights are kept and updated in float32");
  v("span_loss", t.span_loss, OneOf{{"ramp", "all"}},
    "what is charged: (published code) only memories on the ramp, or all new ones");
  v("span_weight", t.span_weight, Range{0, 1e6},
    "alpha of the span loss, charged with the curriculum at its end; 0: memory is free");
  v("span_target", t.span_target, Range{0, 1e3},
    "training loss, nats per label: alpha rises below it and falls above span_target + span_tolerance, within 1e-9 .. "
    "1; "
    "0: alpha stays span_weight");
  v("span_tolerance", t.span_tolerance, Range{1e-9, 1e3}, "nats per label above span_target that forgetting may cost");
  v("span_weight_rate", t.span_weight_rate, Range{0, 10}, "how fast alpha follows the training loss");
  v("span_rate", t.span_rate, Range{0, 1e3}, "learning rate of the span predictors, relative to learning_rate");
}

void VisitConsolidate(SequenceOptions::Consolidate& c, Options& v) {
  v("max_updates", c.max_updates, Range{0, kMany},
    "updates behind train.max_updates in which the model forgets what its predictions do not need; 0: none");
  v("tolerance", c.tolerance, Range{1e-9, 1e3},
    "KL divergence from the model as it was before, nats per label: alpha rises below it and falls above");
  v("alpha_start", c.alpha_start, Range{1e-9, 1}, "first price of memory");
  v("alpha_rate", c.alpha_rate, Range{0, 10}, "how fast the price follows the divergence; 0: it stays");
  v("initial_span", c.initial_span, Range{0, 0.999999},
    "spans start again at this share of memory.span_limit; 0: they go on as they are");
  v("span_rate", c.span_rate, Range{0, 1e3}, "learning rate of the span predictors, relative to learning_rate");
  v.Section(
      "optimizer", [&c](Options& inner) { VisitOptimizer(c.optimizer, inner); }, "optimiser while consolidating");
}

void VisitEvaluate(SequenceOptions::Evaluate& o, Options& v) {
  v("interval_updates", o.interval_updates, Range{0, kMany},
    "updates between evaluations on the valid split; 0: never");
  v("batch", o.batch, Range{0, 65536}, "rows of an evaluation; 0: train.batch");
  v("valid_blocks", o.valid_blocks, Range{0, kMany}, "blocks of every row that an evaluation on valid reads; 0: all");
}

void VisitLog(SequenceOptions::Log& o, Options& v) {
  v("interval_updates", o.interval_updates, Range{1, 1e9}, "updates between lines of metrics.jsonl");
  v("checkpoint_interval_updates", o.checkpoint_interval_updates, Range{1, kMany}, "updates between checkpoints");
  v("keep_checkpoints", o.keep_checkpoints, Range{1, 1e6}, "newest checkpoints that stay on disk");
  v("live_seconds", o.live_seconds, Range{0, 1e6}, "seconds between updates of live.safetensors; 0: never");
}

}  // namespace

void SequenceOptions::Visit(Options& v) {
  v("seed", seed, Range{0, 9e15}, "decides every random number of the run");
  v("device", device, OneOf{{"cpu", "cuda"}}, "where the model runs; tasks stay on the CPU");
  v.Section(
      "task",
      [this](Options& s) {
        s("id", task.id, OneOf{envs::sequence::Ids()}, "sequence task");
        task.params->Visit(s);
      },
      "what is predicted");
  v.Section("memory", memory, "what the model remembers with");
  v.Section(
      "train", [this](Options& s) { VisitTrain(train, s); }, "blocks and updates");
  v.Section(
      "optimizer", [this](Options& s) { VisitOptimizer(optimizer, s); }, "optimiser");
  v.Section(
      "consolidate", [this](Options& s) { VisitConsolidate(consolidate, s); },
      "forget all that the learnt predictions do not need");
  v.Section(
      "curriculum", [this](Options& s) { VisitCurriculum(curriculum, s); }, "harder sequences as the score allows");
  v.Section(
      "evaluate", [this](Options& s) { VisitEvaluate(evaluate, s); }, "streaming evaluation");
  v.Section(
      "log", [this](Options& s) { VisitLog(log, s); }, "what is written and when");
}

void SequenceOptions::SetTask(const std::string& id) {
  task.params = envs::sequence::Find(id).make_params();
  task.id = id;
}

void SequenceOptions::Resolve() {
  memory.options->block = train.block;
  for (const auto& [name, value] : {std::pair{"train.span_weight", train.span_weight},
                                    {"train.span_target", train.span_target},
                                    {"consolidate.max_updates", static_cast<double>(consolidate.max_updates)}})
    if (value > 0 && memory.options->Ramp() <= 0)
      throw std::invalid_argument(fmt::format("{}: memory.core = {} predicts no spans, allowed: 0", name, memory.name));
  if (MaxUpdates() == 0)
    throw std::invalid_argument(
        "train.max_updates: got 0, allowed: more than 0 for it or consolidate.max_updates, else there is nothing to "
        "do");
  CheckInitialSpan(memory, consolidate.initial_span);
  if (train.span_target > 0 && (train.span_weight <= 0 || train.span_weight > 1))
    throw std::invalid_argument(fmt::format(
        "train.span_weight: got {}, allowed: more than 0, at most 1, for alpha to start from towards train.span_target",
        train.span_weight));
  train.threads = std::min(train.threads, train.batch);
  task.params->Check();
  if (curriculum.start > 0)  // else no file has to be there yet
    CheckCurriculum(curriculum, OpenStream(*this, envs::sequence::Split::kTrain)->spec(), task.id, "task");
}

std::unique_ptr<SequenceOptions> ReadSequenceOptions(const configs::Document& document) {
  auto options = std::make_unique<SequenceOptions>();
  ReadChoice(document, "task", "id", options->task.id, [&](const std::string& id) { options->SetTask(id); });
  ReadAllOptions(document, *options);
  return options;
}

std::string ToYaml(SequenceOptions& options) { return YamlOf(options); }

bool IsSequenceConfig(const configs::Document& document) { return document.Find("task.id").has_value(); }

std::unique_ptr<envs::sequence::SequenceStream> OpenStream(const SequenceOptions& options,
                                                           envs::sequence::Split split) {
  const bool is_training = split == envs::sequence::Split::kTrain;
  envs::sequence::StreamOptions stream;
  stream.split = split;
  stream.rows = static_cast<int>(is_training ? options.train.batch : options.EvaluationBatch());
  stream.steps = options.train.block;
  stream.seed = static_cast<uint64_t>(options.seed);
  return envs::sequence::Find(options.task.id).make_stream(*options.task.params, stream);
}

}  // namespace lethe::agents
