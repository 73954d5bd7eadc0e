#include "tools/training_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace lethe::tools {
namespace {

using Json = nlohmann::ordered_json;

std::vector<double> MeanLiving(const memory::LivingStats& living) {
  std::vector<double> means;
  for (const double sum : living.sum) means.push_back(sum / static_cast<double>(std::max<int64_t>(living.steps, 1)));
  return means;
}

void AddMemory(const agents::TrainingStatus& status, int64_t num_envs, Json& line) {
  const auto& update = status.update;
  const double places =
      static_cast<double>(num_envs) * static_cast<double>(std::max<size_t>(update.living.sum.size(), 1));
  line["living_memories"] = MeanLiving(update.living);
  line["living_memories_max"] = update.living.max;
  line["resident_memories"] = static_cast<double>(update.resident) / places;
  line["memory_bytes"] = update.bytes;
  line["never_forgetting"] = status.never_forgetting;
  line["span_mean"] = update.span_mean;
}

void AddUpdate(const agents::TrainingStatus& status, Json& line) {
  const auto& update = status.update;
  line["policy_loss"] = update.policy_loss;
  line["value_loss"] = update.value_loss;
  line["entropy"] = update.entropy;
  line["kl_per_episode"] = update.kl;
  line["grad_norm"] = update.grad_norm;
  line["learning_rate"] = update.learning_rate;
  line["span_weight"] = update.span_weight;
  line["ratio_mean"] = update.ratio_mean;
  if (status.phase == agents::Phase::kClone) {
    line["agreement"] = update.agreement;
    if (!update.explanation_loss.empty()) {
      line["explanation_loss"] = update.ExplanationLoss();
      line["explanation_loss_per_token"] = update.explanation_loss;
    }
  }
  line["policy_lag"] = status.policy_lag;
}

void AddTime(const agents::TrainingStatus& status, Json& line) {
  line["share_envs"] = status.share_envs;
  line["share_acting"] = status.share_acting;
  line["share_learning"] = status.share_learning;
  line["share_waiting"] = status.share_waiting;
  line["gflops"] = status.gflops;
}

}  // namespace

Json MetricsLine(const agents::TrainingStatus& status, int64_t num_envs) {
  Json line;
  line["phase"] = agents::PhaseName(status.phase);
  line["env_steps"] = status.env_steps;
  line["updates"] = status.updates;
  line["seconds"] = status.seconds;
  line["steps_per_s"] = status.steps_per_s;
  line["score"] = status.score;
  line["episodes"] = status.episodes;
  line["episode_steps"] = status.episode_length;
  line["curriculum"] = status.curriculum;
  AddMemory(status, num_envs, line);
  AddUpdate(status, line);
  AddTime(status, line);
  return line;
}

ProgressLine MakeProgressLine(const agents::TrainingStatus& status, double total_seconds) {
  ProgressLine line;
  line.phase = agents::PhaseName(status.phase);
  line.env_steps = status.phase_steps;
  line.total_steps = status.phase_max_steps;
  line.seconds = status.seconds;
  line.total_seconds = total_seconds;
  line.steps_per_s = status.steps_per_s;
  line.eta_seconds = static_cast<double>(status.phase_max_steps - status.phase_steps) / status.steps_per_s;
  if (total_seconds > 0) line.eta_seconds = std::min(line.eta_seconds, total_seconds - status.seconds);
  line.share_envs = status.share_envs;
  line.share_acting = status.share_acting;
  line.share_learning = status.share_learning;
  line.share_waiting = status.share_waiting;
  line.score = status.score;
  line.curriculum = status.curriculum;
  line.curriculum_name = status.curriculum_name;
  line.living_memories = MeanLiving(status.update.living);
  line.never_forgetting = status.never_forgetting;
  line.memory_bytes = static_cast<double>(status.update.bytes);
  const auto& update = status.update;
  if (status.phase == agents::Phase::kConsolidate) {
    line.losses = {{"kl", update.kl}, {"value", update.value_loss}, {"price", update.span_weight}};
  } else if (status.phase == agents::Phase::kClone) {
    line.losses = {
        {"cross_entropy", update.policy_loss}, {"value", update.value_loss}, {"agreement", update.agreement}};
    if (!update.explanation_loss.empty()) line.losses.emplace_back("explanation", update.ExplanationLoss());
  } else {
    line.losses = {{"policy", update.policy_loss}, {"value", update.value_loss}, {"entropy", update.entropy}};
  }
  return line;
}

TrainingLog::TrainingLog(const std::string& metrics_path, const std::string& run_dir, std::string step_key,
                         int64_t first_step)
    : step_key_(std::move(step_key)),
      metrics_(metrics_path),
      tensorboard_(run_dir, first_step == 0 ? 0 : first_step + 1) {
  metrics_.TruncateAfter(first_step, step_key_);
}

void TrainingLog::Write(const Json& line, const std::vector<float>& spans) {
  metrics_.Write(line);
  const auto step = line[step_key_].get<int64_t>();
  for (const auto& [key, value] : line.items()) {
    if (key == step_key_) continue;
    if (value.is_number() && std::isfinite(value.get<double>())) tensorboard_.Scalar(key, step, value.get<double>());
    const char* part = key.ends_with("_per_token") ? "token" : "layer";
    for (size_t i = 0; value.is_array() && i < value.size(); ++i)
      tensorboard_.Scalar(fmt::format("{}/{}_{}", key, part, i + 1), step, value[i].get<double>());
  }
  tensorboard_.Histogram("spans", step, spans);
  tensorboard_.Flush();
}

}  // namespace lethe::tools
