#include "agents/optimizer.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace lethe::agents {

Optimizer::Optimizer(OptimizerOptions options, size_t parameters, std::vector<float> rate_scale)
    : options_(std::move(options)), rate_scale_(std::move(rate_scale)), mean_(parameters, 0), square_(parameters, 0) {}

double Optimizer::rate(double progress) const {
  double rate = options_.learning_rate;
  if (options_.schedule == "linear") rate *= std::max(0.0, 1 - progress);
  if (options_.schedule == "cosine") rate *= 0.5 * (1 + std::cos(std::numbers::pi * std::min(1.0, progress)));
  if (options_.warmup_updates > 0) rate *= std::min(1.0, static_cast<double>(updates_ + 1) / options_.warmup_updates);
  return rate;
}

double Optimizer::Step(std::span<float> parameters, std::span<const float> gradient, double progress) {
  double square_sum = 0;
  for (const float g : gradient) square_sum += static_cast<double>(g) * g;
  const double norm = std::sqrt(square_sum);
  if (!std::isfinite(norm)) return norm;
  const bool clip = options_.max_grad_norm > 0 && norm > options_.max_grad_norm;
  const auto shrink = static_cast<float>(clip ? options_.max_grad_norm / (norm + 1e-6) : 1.0);
  const double base_rate = rate(progress);
  ++updates_;
  const bool adam = options_.kind == "adam";
  const double count = static_cast<double>(updates_);
  const auto b1 = static_cast<float>(adam ? options_.beta1 : 0), b2 = static_cast<float>(options_.beta2);
  const auto step = static_cast<float>(adam ? base_rate / (1 - std::pow(options_.beta1, count)) : base_rate);
  const auto correct = static_cast<float>(adam ? 1 / std::sqrt(1 - std::pow(options_.beta2, count)) : 1.0);
  const auto epsilon = static_cast<float>(options_.epsilon);
  const bool scaled = !rate_scale_.empty();
  for (size_t i = 0; i < parameters.size(); ++i) {
    const float g = gradient[i] * shrink;
    mean_[i] = b1 * mean_[i] + (1 - b1) * g;
    square_[i] = b2 * square_[i] + (1 - b2) * g * g;
    const float change = step * mean_[i] / (std::sqrt(square_[i]) * correct + epsilon);
    parameters[i] -= scaled ? change * rate_scale_[i] : change;
  }
  return norm;
}

}  // namespace lethe::agents
