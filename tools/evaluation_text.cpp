#include "tools/evaluation_text.h"

#include <fmt/format.h>

#include "tools/progress_table.h"

namespace lethe::tools {
namespace {

std::string LayerText(const agents::Evaluation& e, size_t layer) {
  const double share = e.never_forgetting > 0 ? 100 * e.living[layer] / e.never_forgetting : 100;
  return fmt::format("  layer {:<3}{:>9.1f}{:>7.0f} %{:>9.0f}{:>11.1f}{:>11.1f}{:>13.1f}\n", layer + 1, e.living[layer],
                     share, e.living_max[layer], e.resident[layer], e.span_cue[layer], e.span_other[layer]);
}

std::string MetricsText(const agents::NamedMetrics& metrics) {
  constexpr size_t kColumns = 100;
  std::string text, line = "metrics   ";
  for (size_t i = 0; i < metrics.size(); ++i) {
    const auto& [name, mean] = metrics[i];
    const std::string item = fmt::format(" {} {:.4g}{}", name, mean, i + 1 < metrics.size() ? "," : "");
    if (line.size() + item.size() > kColumns) {
      text += line + "\n";
      line.assign(10, ' ');
    }
    line += item;
  }
  return text + line + "\n";
}

}  // namespace

std::string EvaluationText(const agents::Evaluation& e) {
  std::string text = fmt::format("score      {:.4f}   (95 % interval {:.4f} to {:.4f}, {} episodes never trained on)\n",
                                 e.score, e.score_low, e.score_high, e.episodes);
  text += MetricsText(e.metrics);
  if (e.sees_last_action) text += "sees       its last action too: bounds without memory do not hold for it\n";
  if (!e.living.empty()) {
    text += fmt::format("memories   a step sees, of {:.1f} that a memory without forgetting would hold\n",
                        e.never_forgetting);
    text += fmt::format("  {:<8}{:>10}{:>9}{:>9}{:>11}{:>11}{:>13}\n", "", "living", "share", "most", "stored",
                        "cue span", "other spans");
    for (size_t layer = 0; layer < e.living.size(); ++layer) text += LayerText(e, layer);
  }
  return text + fmt::format("speed      {} steps/s ({} steps in {:.1f} s)\n",
                            FormatCount(static_cast<double>(e.env_steps) / e.seconds),
                            FormatCount(static_cast<double>(e.env_steps)), e.seconds);
}

}  // namespace lethe::tools
