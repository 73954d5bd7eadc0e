#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tools/progress_table.h"
#include "tools/viewer/colors.h"
#include "tools/viewer/panels.h"

namespace lethe::tools {
namespace {

constexpr double kBar = 18, kLabel = 15;
constexpr size_t kMostBars = 8;

/// Probabilities as bars; of more actions than fit, the likeliest. Returns the height taken.
double DrawProbabilities(const PolicyView& policy, const Box& box, Canvas& canvas) {
  std::vector<size_t> shown(policy.probabilities.size());
  for (size_t i = 0; i < shown.size(); ++i) shown[i] = i;
  if (shown.size() > kMostBars) {
    std::ranges::stable_sort(shown, std::ranges::greater(), [&](size_t i) { return policy.probabilities[i]; });
    shown.resize(kMostBars);
  }
  double y = box.y;
  constexpr double kName = 76, kNumber = 46;
  for (const size_t i : shown) {
    const bool is_taken = static_cast<int>(i) == policy.action;
    const Color color = is_taken ? kGood : kFaint;
    DrawFitting({box.x, y}, policy.actions[i], kName - 6,
                {.size = 12, .bold = is_taken, .color = is_taken ? kText : kFaint}, canvas);
    const Box bar = {box.x + kName, y + 2, std::max(10.0, box.w - kName - kNumber), kBar - 6};
    canvas.Fill(bar, kPanel);
    canvas.Fill({bar.x, bar.y, bar.w * policy.probabilities[i], bar.h}, color);
    canvas.Text({bar.right() + 6, y}, fmt::format("{:5.3f}", policy.probabilities[i]), {.size = 12, .color = kText});
    y += kBar;
  }
  return y - box.y;
}

void DrawCourse(const std::string& name, double now, std::span<const float> values, Color color, const AgentView& agent,
                const Box& box, Canvas& canvas, Zones& zones) {
  canvas.Text({box.x, box.y}, fmt::format("{} {:.3f}", name, now), {.size = 11, .color = color});
  const Box plot = {box.x, box.y + kLabel, box.w, box.h - kLabel - 4};
  double lowest = 0, highest = 0;
  for (const float value : values) lowest = std::min<double>(lowest, value), highest = std::max<double>(highest, value);
  const Curve curve = {values, color};
  DrawCurves({&curve, 1}, agent.newest, agent.step, lowest, highest, plot, canvas);
  zones.AddTimeline(plot.Inset(2), agent.newest);
}

}  // namespace

void DrawPolicy(const AgentView& agent, const Box& box, Canvas& canvas, Zones& zones) {
  const PolicyView& policy = agent.policy;
  const bool has_policy = !policy.probabilities.empty();
  double y = box.y;
  if (has_policy) y += DrawProbabilities(policy, box, canvas) + 4;
  const double each = std::floor((box.bottom() - y) / (has_policy ? 3 : 1));
  if (!agent.course || each < kLabel + 10) return;
  const Course& course = *agent.course;
  const auto plot = [&](const char* name, double now, std::span<const float> values, Color color) {
    DrawCourse(name, now, values, color, agent, {box.x, y, box.w, each}, canvas, zones);
    y += each;
  };
  if (has_policy) plot("value", policy.value_now, course.value, kAccent);
  std::vector<float> reward = {0};  // that led to a step, beside the step
  reward.insert(reward.end(), course.reward.begin(), course.reward.end());
  plot("reward", reward[static_cast<size_t>(agent.step)], reward, kGood);
  if (has_policy) plot("entropy", policy.entropy_now, course.entropy, kWarning);
}

void DrawTraining(const TrainingView& training, const Box& box, Canvas& canvas) {
  if (training.env_steps.empty() || box.h < kLabel + 16) return;
  const std::string steps = FormatCount(training.env_steps.back());
  DrawFitting({box.x, box.y}, fmt::format("trained {}, score {:.3f}", steps, training.score.back()), box.w,
              {.size = 11, .color = kGood}, canvas);
  std::vector<float> score;
  for (const double s : training.score) score.push_back(std::isfinite(s) ? static_cast<float>(s) : 0);
  const auto [low, high] = std::ranges::minmax(score);
  const Curve curve = {score, kGood};
  const Box plot = {box.x, box.y + kLabel, box.w, (box.h - kLabel) * (training.living.empty() ? 1 : 0.5) - 3};
  DrawCurves({&curve, 1}, static_cast<int64_t>(score.size()) - 1, -1, std::min(0.0f, low), std::max(1e-6f, high), plot,
             canvas);
  if (training.living.empty()) return;
  std::vector<std::vector<float>> living;
  double most = 1;
  for (const auto& layer : training.living) {
    living.emplace_back(layer.begin(), layer.end());
    for (float& x : living.back()) x = std::isfinite(x) ? x : 0;
    most = std::max<double>(most, *std::ranges::max_element(living.back()));
  }
  std::vector<Curve> curves;
  const double last = std::max<double>(1, static_cast<double>(living.size()) - 1);
  for (size_t l = 0; l < living.size(); ++l)
    curves.push_back({living[l], Mix(kAccent, kWarning, static_cast<double>(l) / last)});
  double x = box.x;
  for (size_t l = 0; l < curves.size() && x < box.right(); ++l) {
    const std::string name = fmt::format("{}{}", l == 0 ? "living in layer " : "", l + 1);
    DrawFitting({x, plot.bottom() + 4}, name, box.right() - x, {.size = 11, .color = curves[l].color}, canvas);
    x += canvas.Width(name + " ", {.size = 11});
  }
  DrawFitting({x, plot.bottom() + 4}, fmt::format("most {:.0f}", most), box.right() - x, {.size = 11, .color = kFaint},
              canvas);
  const double top = plot.bottom() + 4 + kLabel;
  DrawCurves(curves, static_cast<int64_t>(score.size()) - 1, -1, 0, most, {box.x, top, box.w, box.bottom() - top},
             canvas);
}

}  // namespace lethe::tools
