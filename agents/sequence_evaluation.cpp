#include "agents/sequence_evaluation.h"

#include <fmt/format.h>

#include <chrono>
#include <stdexcept>

#include <nlohmann/json.hpp>

#include "agents/evaluate.h"
#include "envs/sequence/scorer.h"
#include "memory/recurrent_front.h"

namespace lethe::agents {

using envs::sequence::Split;

const char* SplitName(Split split) {
  return split == Split::kTrain ? "train" : split == Split::kValid ? "valid" : "test";
}

std::shared_ptr<SequenceModel> MakeSequenceModel(const SequenceOptions& options,
                                                 const envs::sequence::SequenceSpec& spec) {
  torch::manual_seed(static_cast<uint64_t>(options.seed));
  auto model = std::make_shared<SequenceModel>(spec.num_symbols, spec.num_labels, *options.memory.options);
  model->to(torch::Device(options.device));
  if (options.train.dtype == "bfloat16") {
    try {
      model->RunCoreIn(torch::kBFloat16);
    } catch (const std::invalid_argument& error) {
      const std::string front = memory::FrontOf(*options.memory.options);
      const bool has_front = front != "none";
      throw std::invalid_argument(fmt::format("train.dtype = bfloat16 with {} = {}: {}; allowed: float32",
                                              has_front ? "memory.front" : "memory.core",
                                              has_front ? front : options.memory.name, error.what()));
    }
  }
  return model;
}

SequenceEvaluation EvaluateSequence(const SequenceOptions& options, const SequenceModel& model,
                                    const FlatParameters& parameters, WorkerPool& pool, Split split, int64_t max_blocks,
                                    const std::function<bool()>& stop) {
  const auto begin = std::chrono::steady_clock::now();
  const auto stream = OpenStream(options, split);
  SequenceBlock block(options.EvaluationBatch(), options.train.block);
  SequenceShards shards(model, parameters, pool, block.rows, options.memory.options->Ramp());
  envs::sequence::Scorer scorer(stream->spec(), static_cast<int>(block.rows));
  MemoryTally memory(options.memory.options->Ramp());
  SequenceEvaluation e;
  for (int64_t read = 0; (max_blocks == 0 || read < max_blocks) && stream->Next(block.out()); ++read) {
    if (stop && stop()) throw Interrupted();
    memory.Add(shards.Answer(block).memory);
    scorer.Add(block.steps, block.out(), block.nats.data(), block.predicted.data());
    e.tokens += block.rows * block.steps;
  }
  e.split = SplitName(split);
  const auto values = scorer.Values();
  for (size_t i = 0; i < values.size(); ++i)
    e.scores.push_back({stream->spec().scores[i].name, values[i], stream->spec().scores[i].chance});
  e.loss = scorer.mean_nats();
  e.num_scored = scorer.num_scored();
  e.living = memory.living(), e.living_max = memory.living_max(), e.resident = memory.resident(),
  e.span_mean = memory.span_mean();
  e.paper_memory_size = memory.paper_memory_size();
  e.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return e;
}

SequenceEvaluation EvaluateSequence(const SequenceOptions& options, const std::vector<float>& weights, Split split,
                                    const std::function<bool()>& stop) {
  const auto model = MakeSequenceModel(options, OpenStream(options, split)->spec());
  FlatParameters parameters(*model);
  parameters.Write(weights);
  WorkerPool pool(static_cast<int>(options.train.threads));
  return EvaluateSequence(options, *model, parameters, pool, split, 0, stop);
}

std::vector<float> SequenceWeights(const configs::SafetensorsFile& file, const SequenceOptions& options) {
  const auto model = MakeSequenceModel(options, OpenStream(options, Split::kValid)->spec());
  return LoadSequenceWeights(file, LayoutOf(FlatParameters(*model)));
}

std::string ToJson(const SequenceEvaluation& e) {
  nlohmann::ordered_json json;
  json["split"] = e.split;
  for (const NamedScore& score : e.scores) json[score.name] = score.value;
  json["loss"] = e.loss;
  json["scored"] = e.num_scored;
  json["living_memories"] = e.living;
  json["living_memories_max"] = e.living_max;
  json["resident_memories"] = e.resident;
  json["span_mean"] = e.span_mean;
  json["paper_memory_size"] = e.paper_memory_size;
  json["tokens"] = e.tokens;
  json["tokens_per_s"] = static_cast<double>(e.tokens) / e.seconds;
  return json.dump();
}

}  // namespace lethe::agents
