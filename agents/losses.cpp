#include "agents/losses.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace lethe::agents {

namespace {

constexpr size_t kMaxActions = 256;  // actions are uint8

struct Row {
  std::array<float, kMaxActions> log_p, p;
};

}  // namespace

void LogSoftmax(std::span<const float> logits, std::span<float> log_p, std::span<float> p) {
  const float max = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float x : logits) sum += std::exp(static_cast<double>(x - max));
  const auto log_sum = static_cast<float>(std::log(sum));
  for (size_t k = 0; k < logits.size(); ++k) {
    log_p[k] = logits[k] - max - log_sum;
    p[k] = std::exp(log_p[k]);
  }
}

float LogProbability(std::span<const float> logits, int action) {
  Row row;
  LogSoftmax(logits, row.log_p, row.p);
  return row.log_p[static_cast<size_t>(action)];
}

double KlDivergence(std::span<const float> teacher, std::span<const float> student) {
  Row t, s;
  LogSoftmax(teacher, t.log_p, t.p);
  LogSoftmax(student, s.log_p, s.p);
  double kl = 0;
  for (size_t k = 0; k < teacher.size(); ++k) kl += static_cast<double>(t.p[k]) * (t.log_p[k] - s.log_p[k]);
  return kl;
}

namespace {

/// log pi(a), and how it is shared among the actions that are right.
struct Right {
  Right(const Row& row, size_t actions, const StepCredit& credit)
      : log_p(row.log_p[static_cast<size_t>(credit.action)]) {
    for (size_t k = 0; k < actions; ++k)
      if (IsRight(credit, k)) log_p = std::max(log_p, row.log_p[k]);
    float sum = 0;  // relative to the likeliest, so that it is not 0
    for (size_t k = 0; k < actions; ++k) sum += shares[k] = IsRight(credit, k) ? std::exp(row.log_p[k] - log_p) : 0;
    for (size_t k = 0; k < actions; ++k) shares[k] /= sum;
    log_p += std::log(sum);
  }
  std::array<float, kMaxActions> shares;
  float log_p;
};

struct ValueLoss {
  double square, slope;  // and its derivative by the value
};

ValueLoss ValueLossOf(double value, const StepCredit& credit, double clip) {
  const double error = value - credit.target;
  const ValueLoss plain{error * error, 2 * error};
  if (clip <= 0) return plain;
  const double moved = value - credit.acting_value;
  const double clipped = credit.acting_value + std::clamp(moved, -clip, clip) - credit.target;
  if (clipped * clipped <= plain.square) return plain;
  return {clipped * clipped, std::abs(moved) < clip ? 2 * clipped : 0};
}

}  // namespace

void ActorCriticStep(std::span<const float> head, const StepCredit& credit, const LossWeights& weights, double scale,
                     std::span<float> grad, LossSums& sums) {
  const size_t actions = head.size() - 1;
  Row row;
  LogSoftmax(head.first(actions), row.log_p, row.p);
  double entropy = 0;
  for (size_t k = 0; k < actions; ++k) entropy -= static_cast<double>(row.p[k]) * row.log_p[k];
  const Right right(row, actions, credit);
  for (size_t k = 0; k < actions; ++k) {
    const double policy = credit.advantage * (static_cast<double>(row.p[k]) - right.shares[k]);
    const double bonus = weights.entropy * row.p[k] * (row.log_p[k] + entropy);
    grad[k] = static_cast<float>(scale * (policy + bonus));
  }
  const ValueLoss value = ValueLossOf(head[actions], credit, weights.value_clip);
  grad[actions] = static_cast<float>(scale * weights.value * value.slope);
  sums.policy -= credit.advantage * right.log_p;
  sums.value += value.square;
  sums.entropy += entropy;
  ++sums.steps;
}

void DistillStep(std::span<const float> teacher, std::span<const float> student, double value_weight, double scale,
                 double scale_value, std::span<float> grad, LossSums& sums) {
  const size_t actions = student.size() - 1;
  Row t, s;
  LogSoftmax(teacher.first(actions), t.log_p, t.p);
  LogSoftmax(student.first(actions), s.log_p, s.p);
  for (size_t k = 0; k < actions; ++k) {
    grad[k] = static_cast<float>(scale * (s.p[k] - t.p[k]));
    sums.kl += static_cast<double>(t.p[k]) * (t.log_p[k] - s.log_p[k]);
    sums.entropy -= static_cast<double>(s.p[k]) * s.log_p[k];
  }
  const double error = student[actions] - teacher[actions];
  grad[actions] = static_cast<float>(scale_value * value_weight * 2 * error);
  sums.value += error * error;
  ++sums.steps;
}

void ExplanationStep(std::span<const float> logits, std::span<const int> vocabularies, std::span<const uint8_t> tokens,
                     double scale, std::span<float> grad, LossSums& sums) {
  Row row;
  size_t first = 0;
  sums.explanation.resize(tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i) {
    const auto size = static_cast<size_t>(vocabularies[i]);
    LogSoftmax(logits.subspan(first, size), row.log_p, row.p);
    sums.explanation[i] -= row.log_p[tokens[i]];
    for (size_t k = 0; k < size; ++k)
      grad[first + k] = static_cast<float>(scale * (row.p[k] - (k == tokens[i] ? 1 : 0)));
    first += size;
  }
}

}  // namespace lethe::agents
