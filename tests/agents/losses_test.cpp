// The losses' hand-written gradients against central differences of the formulas, written here in double.

#include "agents/losses.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <random>
#include <tuple>
#include <vector>

namespace lethe::agents {
namespace {

using Doubles = std::vector<double>;
using Floats = std::vector<float>;

Floats RandomHead(size_t size, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 2);
  Floats head(size);
  for (float& x : head) x = normal(random);
  return head;
}

Doubles LogProbabilities(const Doubles& head) {
  double sum = 0;
  for (size_t k = 0; k + 1 < head.size(); ++k) sum += std::exp(head[k]);
  Doubles log_p(head.begin(), head.end() - 1);
  for (double& x : log_p) x -= std::log(sum);
  return log_p;
}

double Entropy(const Doubles& head) {
  double entropy = 0;
  for (const double log_p : LogProbabilities(head)) entropy -= std::exp(log_p) * log_p;
  return entropy;
}

double Kl(const Doubles& teacher, const Doubles& student) {
  const Doubles t = LogProbabilities(teacher), s = LogProbabilities(student);
  double kl = 0;
  for (size_t k = 0; k < t.size(); ++k) kl += std::exp(t[k]) * (t[k] - s[k]);
  return kl;
}

double Square(double x) { return x * x; }

void ExpectGradient(const Floats& grad, const Floats& head, const std::function<double(const Doubles&)>& loss) {
  constexpr double kStep = 1e-5;
  const Doubles at(head.begin(), head.end());
  for (size_t k = 0; k < head.size(); ++k) {
    Doubles up = at, down = at;
    up[k] += kStep, down[k] -= kStep;
    EXPECT_NEAR(grad[k], (loss(up) - loss(down)) / (2 * kStep), 1e-5) << "entry " << k;
  }
}

TEST(Losses, LogSoftmaxIsNormalisedForHugeLogits) {
  const Floats logits{1000, 999, -1000};
  Floats log_p(3), p(3);
  LogSoftmax(logits, log_p, p);
  EXPECT_NEAR(p[0] + p[1] + p[2], 1, 1e-6);
  EXPECT_NEAR(log_p[1] - log_p[0], -1, 1e-6);
  EXPECT_EQ(LogProbability(logits, 1), log_p[1]);
  EXPECT_TRUE(std::isfinite(log_p[2]));
}

TEST(Losses, KlDivergenceFollowsItsFormula) {
  for (uint32_t seed = 0; seed < 10; ++seed) {
    const Floats t = RandomHead(5, seed), s = RandomHead(5, seed + 100);
    const double want = Kl({t.begin(), t.end()}, {s.begin(), s.end()});
    EXPECT_NEAR(KlDivergence(std::span(t).first(4), std::span(s).first(4)), want, 1e-5);
    EXPECT_NEAR(KlDivergence(t, t), 0, 1e-12);
  }
}

TEST(GradientLosses, ActorCriticStep) {
  const LossWeights weights{.value = 0.7, .entropy = 0.3};
  const double advantage = -1.3, target = 0.4, scale = 0.25;
  for (uint32_t seed = 0; seed < 10; ++seed) {
    const Floats head = RandomHead(5, seed);
    const int action = static_cast<int>(seed % 4);
    Floats grad(5);
    LossSums sums;
    ActorCriticStep(head, {action, advantage, target}, weights, scale, grad, sums);
    ExpectGradient(grad, head, [&](const Doubles& h) {
      const double policy = -advantage * LogProbabilities(h)[static_cast<size_t>(action)];
      return scale * (policy + weights.value * Square(h.back() - target) - weights.entropy * Entropy(h));
    });
    const Doubles h(head.begin(), head.end());
    EXPECT_NEAR(sums.policy, -advantage * LogProbabilities(h)[static_cast<size_t>(action)], 1e-5);
    EXPECT_NEAR(sums.value, Square(h.back() - target), 1e-5);
    EXPECT_NEAR(sums.entropy, Entropy(h), 1e-5);
    EXPECT_EQ(sums.steps, 1);
  }
}

/// pi(a) is the sum of what is as right, for logits of every size.
TEST(GradientLosses, OfSeveralActionsThatAreAsRight) {
  for (uint32_t seed = 0; seed < 8; ++seed) {
    const Floats head = RandomHead(6, seed);
    Floats grad(6);
    LossSums sums;
    // The action's own bit may lack, and a bit beyond the actions is nobody's.
    const uint8_t ties = seed % 2 == 0 ? 0b01010 : 0b10000010;
    ActorCriticStep(head, {.action = 3, .advantage = 0.7, .target = 0.4, .ties = ties}, {.value = 0.5, .entropy = 0.1},
                    1, grad, sums);
    const auto loss = [](const Doubles& h) {
      const Doubles log_p = LogProbabilities(h);
      return -0.7 * std::log(std::exp(log_p[1]) + std::exp(log_p[3])) + 0.5 * Square(h[5] - 0.4) - 0.1 * Entropy(h);
    };
    ExpectGradient(grad, head, loss);
    const Doubles at(head.begin(), head.end()), log_p = LogProbabilities(at);
    EXPECT_NEAR(sums.policy, -0.7 * std::log(std::exp(log_p[1]) + std::exp(log_p[3])), 1e-6);
  }
}

TEST(Losses, AnActionWithoutTiesIsItself) {
  const Floats head = RandomHead(6, 3);
  Floats grad(6), want(6);
  LossSums sums, wanted;
  ActorCriticStep(head, {.action = 3, .advantage = 1}, {}, 1, want, wanted);
  ActorCriticStep(head, {.action = 3, .advantage = 1, .ties = 0b01000}, {}, 1, grad, sums);
  EXPECT_EQ(grad, want);
  EXPECT_EQ(sums.policy, wanted.policy);
}

TEST(GradientLosses, OfAnActionBeyondTheBitsOfTies) {
  const Floats head = RandomHead(13, 5);
  Floats grad(13);
  LossSums sums;
  ActorCriticStep(head, {.action = 10, .advantage = 1, .ties = 0b100}, {.value = 0, .entropy = 0}, 1, grad, sums);
  ExpectGradient(grad, head, [](const Doubles& h) {
    const Doubles log_p = LogProbabilities(h);
    return -std::log(std::exp(log_p[2]) + std::exp(log_p[10]));
  });
}

TEST(Losses, TiesOfHardlyAnyProbabilityStayFinite) {
  const Floats head = {500, -500, -500, 0};
  Floats grad(4);
  LossSums sums;
  ActorCriticStep(head, {.action = 1, .advantage = 1, .ties = 0b110}, {.entropy = 0}, 1, grad, sums);
  EXPECT_NEAR(sums.policy, 1000 - std::log(2.), 1e-3);
  EXPECT_NEAR(grad[0], 1, 1e-6);
  EXPECT_NEAR(grad[1], -0.5, 1e-6);
  EXPECT_NEAR(grad[2], -0.5, 1e-6);
}

TEST(GradientLosses, ClippedValuesAreNotPushedFurther) {
  const double target = 1, clip = 0.2;
  // acting value, value now, whether a gradient is left: moved too far towards the target; back from it; little.
  const std::tuple<double, float, bool> cases[] = {
      {0, 0.5f, false}, {0, -0.5f, true}, {0.4, 0.5f, true}, {2, 1.5f, false}};
  for (const auto& [acting, value, has_gradient] : cases) {
    const Floats head = {0.3f, -0.2f, value};
    Floats grad(3);
    LossSums sums;
    ActorCriticStep(head, {0, 0, target, acting}, {.value = 0.5, .entropy = 0, .value_clip = clip}, 1, grad, sums);
    const auto square = [&, a = acting](const Doubles& h) {
      const double near = a + std::clamp(h.back() - a, -clip, clip);
      return std::max(Square(h.back() - target), Square(near - target));
    };
    EXPECT_NEAR(sums.value, square({0, 0, value}), 1e-6);
    EXPECT_EQ(grad[2] != 0, has_gradient) << "acting " << acting << ", now " << value;
    ExpectGradient(grad, head, [&](const Doubles& h) { return 0.5 * square(h); });
  }
}

TEST(GradientLosses, DistillStep) {
  const double value_weight = 0.3, scale = 0.5, scale_value = 0.125;
  for (uint32_t seed = 0; seed < 10; ++seed) {
    const Floats teacher = RandomHead(5, seed), student = RandomHead(5, seed + 50);
    const Doubles t(teacher.begin(), teacher.end()), s(student.begin(), student.end());
    Floats grad(5);
    LossSums sums;
    DistillStep(teacher, student, value_weight, scale, scale_value, grad, sums);
    ExpectGradient(grad, student, [&](const Doubles& h) {
      return scale * Kl(t, h) + scale_value * value_weight * Square(h.back() - t.back());
    });
    EXPECT_NEAR(sums.kl, Kl(t, s), 1e-5);
    EXPECT_NEAR(sums.entropy, Entropy(s), 1e-5);
  }
}

TEST(GradientLosses, ExplanationStep) {
  const std::vector<int> vocabularies{2, 5, 3};
  const std::vector<uint8_t> tokens{1, 0, 2};
  const double scale = 0.4;
  const auto nats_of_each = [&](const Doubles& logits) {
    Doubles nats;
    auto first = logits.begin();
    for (size_t i = 0; i < tokens.size(); first += vocabularies[i], ++i) {
      double total = 0;
      for (auto x = first; x != first + vocabularies[i]; ++x) total += std::exp(*x);
      nats.push_back(std::log(total) - first[tokens[i]]);
    }
    return nats;
  };
  const auto nats = [&](const Doubles& logits) {
    const Doubles each = nats_of_each(logits);
    return std::reduce(each.begin(), each.end());
  };
  for (uint32_t seed = 0; seed < 10; ++seed) {
    const Floats logits = RandomHead(10, seed);
    Floats grad(10);
    LossSums sums;
    ExplanationStep(logits, vocabularies, tokens, scale, grad, sums);
    ExpectGradient(grad, logits, [&](const Doubles& x) { return scale * nats(x); });
    const Doubles each = nats_of_each({logits.begin(), logits.end()});
    ASSERT_EQ(sums.explanation.size(), each.size());
    for (size_t i = 0; i < each.size(); ++i) EXPECT_NEAR(sums.explanation[i], each[i], 1e-5) << "token " << i;
  }
}

}  // namespace
}  // namespace lethe::agents
