#include "tools/sequence_log.h"

#include <fmt/format.h>

#include <cmath>

namespace lethe::tools {
namespace {

using Json = nlohmann::ordered_json;

const char* PhaseOf(const agents::SequenceStatus& status) { return status.consolidates ? "consolidate" : "train"; }

void AddMemory(const agents::SequenceStatus& status, Json& line) {
  line["living_memories"] = status.living;
  line["living_memories_max"] = status.living_max;
  line["resident_memories"] = status.resident;
  line["memory_bytes"] = status.memory_bytes;
  line["saved_bytes"] = status.saved_bytes;
  line["span_mean"] = status.span_mean;
  line["paper_memory_size"] = status.paper_memory_size;
}

std::string LayerText(const agents::SequenceEvaluation& e, size_t layer) {
  const double span = layer < e.span_mean.size() ? e.span_mean[layer] : kUnknown;
  return fmt::format("  layer {:<3}{:>9.1f}{:>9.0f}{:>11.1f}{:>10}\n", layer + 1, e.living[layer], e.living_max[layer],
                     e.resident[layer], std::isfinite(span) ? fmt::format("{:.1f}", span) : "-");
}

}  // namespace

Json MetricsLine(const agents::SequenceStatus& status) {
  Json line;
  line["phase"] = PhaseOf(status);
  line["updates"] = status.updates;
  line["tokens"] = status.tokens;
  line["seconds"] = status.seconds;
  line["chars_per_s"] = status.chars_per_s;
  line["chars_per_cpu_s"] = status.chars_per_cpu_s;
  line["loss"] = status.loss;
  line["kl_per_label"] = status.kl;
  for (const auto& score : status.scores) line[score.name] = score.value;
  line["curriculum"] = status.curriculum;
  for (const auto& score : status.valid) line["valid_" + score.name] = score.value;
  AddMemory(status, line);
  line["grad_norm"] = status.grad_norm;
  line["learning_rate"] = status.learning_rate;
  line["span_weight"] = status.span_weight;
  line["gflops"] = status.gflops;
  return line;
}

ProgressLine MakeProgressLine(const agents::SequenceStatus& status, double total_seconds) {
  ProgressLine line;
  line.phase = PhaseOf(status);
  const int64_t tokens_per_update = status.tokens / std::max<int64_t>(status.updates, 1);
  line.env_steps = status.tokens;
  line.total_steps = status.max_updates * tokens_per_update;
  line.seconds = status.seconds;
  line.total_seconds = total_seconds;
  line.steps_per_s = status.chars_per_s;
  line.score = status.scores.front().value;
  line.curriculum = status.curriculum;
  line.curriculum_name = status.curriculum_name;
  line.living_memories = status.living;
  line.memory_bytes = status.memory_bytes;
  line.losses = {{"loss", status.loss}};
  if (status.consolidates) line.losses.emplace_back("kl", status.kl);
  for (const auto& score : status.scores) line.losses.emplace_back(score.name, score.value);
  for (const auto& score : status.valid) line.losses.emplace_back("valid_" + score.name, score.value);
  return line;
}

std::string EvaluationText(const agents::SequenceEvaluation& e) {
  std::string text;
  for (const auto& score : e.scores)
    text += fmt::format("{:<22}{:.4f}   ({} split, {} labels; by chance {:.4g})\n", score.name, score.value, e.split,
                        FormatCount(static_cast<double>(e.num_scored)), score.chance);
  if (!e.living.empty()) {
    text += fmt::format("  {:<8}{:>10}{:>9}{:>11}{:>10}\n", "memories", "living", "most", "stored", "span");
    for (size_t layer = 0; layer < e.living.size(); ++layer) text += LayerText(e, layer);
    if (std::isfinite(e.paper_memory_size))
      text += fmt::format("  R - 1 + mean floor(e): {:.1f}\n", e.paper_memory_size);
  }
  return text + fmt::format("speed      {} tokens/s ({} in {:.1f} s)\n",
                            FormatCount(static_cast<double>(e.tokens) / e.seconds),
                            FormatCount(static_cast<double>(e.tokens)), e.seconds);
}

}  // namespace lethe::tools
