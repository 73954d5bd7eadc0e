// The optimisers against their formulas, written here in double.

#include "agents/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace lethe::agents {
namespace {

using Floats = std::vector<float>;

Floats RandomGradient(size_t size, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Floats gradient(size);
  for (float& g : gradient) g = normal(random);
  return gradient;
}

OptimizerOptions Unclipped(const std::string& kind) {
  OptimizerOptions o;
  o.kind = kind, o.learning_rate = 0.01, o.beta2 = 0.99, o.max_grad_norm = 0;
  return o;
}

TEST(Optimizer, AdamFollowsItsFormula) {
  const OptimizerOptions o = Unclipped("adam");
  Optimizer adam(o, 3);
  Floats parameters{1, -2, 3};
  std::vector<double> want(parameters.begin(), parameters.end()), m(3, 0), v(3, 0);
  for (int t = 1; t <= 20; ++t) {
    const Floats g = RandomGradient(3, static_cast<uint32_t>(t));
    adam.Step(parameters, g, 0);
    for (size_t i = 0; i < 3; ++i) {
      m[i] = o.beta1 * m[i] + (1 - o.beta1) * g[i];
      v[i] = o.beta2 * v[i] + (1 - o.beta2) * g[i] * g[i];
      want[i] -= o.learning_rate * m[i] / (1 - std::pow(o.beta1, t)) /
                 (std::sqrt(v[i] / (1 - std::pow(o.beta2, t))) + o.epsilon);
      EXPECT_NEAR(parameters[i], want[i], 1e-5) << "step " << t;
    }
  }
  EXPECT_EQ(adam.updates(), 20);
}

TEST(Optimizer, RmsPropFollowsItsFormula) {
  OptimizerOptions o = Unclipped("rmsprop");
  o.epsilon = 0.01;
  Optimizer rmsprop(o, 2);
  Floats parameters{1, -2};
  std::vector<double> want(parameters.begin(), parameters.end()), v(2, 0);
  for (uint32_t t = 0; t < 20; ++t) {
    const Floats g = RandomGradient(2, t);
    rmsprop.Step(parameters, g, 0);
    for (size_t i = 0; i < 2; ++i) {
      v[i] = o.beta2 * v[i] + (1 - o.beta2) * g[i] * g[i];
      want[i] -= o.learning_rate * g[i] / (std::sqrt(v[i]) + o.epsilon);
      EXPECT_NEAR(parameters[i], want[i], 1e-5) << "step " << t;
    }
  }
}

TEST(Optimizer, ScalesTheGradientDownToTheNorm) {
  OptimizerOptions o = Unclipped("adam");
  o.max_grad_norm = 1;
  Optimizer optimizer(o, 2);
  Floats parameters{0, 0};
  EXPECT_DOUBLE_EQ(optimizer.Step(parameters, Floats{30, 40}, 0), 50) << "the norm before";
  EXPECT_NEAR(optimizer.mean()[0], (1 - o.beta1) * 0.6, 1e-6);
  EXPECT_NEAR(optimizer.mean()[1], (1 - o.beta1) * 0.8, 1e-6);

  Optimizer small(o, 2);
  small.Step(parameters, Floats{0.3f, 0.4f}, 0);
  EXPECT_NEAR(small.mean()[0], (1 - o.beta1) * 0.3, 1e-7) << "a small gradient stays";
}

TEST(Optimizer, WarmsUpAndFallsLinearly) {
  OptimizerOptions o = Unclipped("adam");
  o.warmup_updates = 4, o.schedule = "linear";
  Optimizer optimizer(o, 1);
  Floats parameters{0};
  for (int update = 1; update <= 6; ++update) {
    EXPECT_NEAR(optimizer.rate(0), 0.01 * std::min(1.0, update / 4.0), 1e-12);
    optimizer.Step(parameters, Floats{1}, 0);
  }
  EXPECT_NEAR(optimizer.rate(0.25), 0.0075, 1e-12);
  EXPECT_EQ(optimizer.rate(1), 0);
  EXPECT_EQ(optimizer.rate(1.5), 0) << "the last update may pass the end";
}

TEST(Optimizer, FallsAsHalfACosine) {
  OptimizerOptions o = Unclipped("adam");
  o.schedule = "cosine";
  const Optimizer optimizer(o, 1);
  EXPECT_NEAR(optimizer.rate(0), 0.01, 1e-12);
  EXPECT_NEAR(optimizer.rate(1.0 / 3), 0.0075, 1e-12);
  EXPECT_NEAR(optimizer.rate(0.5), 0.005, 1e-12);
  EXPECT_NEAR(optimizer.rate(1), 0, 1e-12);
  EXPECT_NEAR(optimizer.rate(1.5), 0, 1e-12) << "the last update may pass the end";
}

TEST(Optimizer, RateScaleIsPerParameter) {
  Optimizer optimizer(Unclipped("adam"), 3, {1, 0.5f, 0});
  Floats parameters{0, 0, 0};
  optimizer.Step(parameters, Floats{1, 1, 1}, 0);
  EXPECT_FLOAT_EQ(parameters[1], 0.5f * parameters[0]);
  EXPECT_EQ(parameters[2], 0);
}

TEST(Optimizer, AGradientThatIsNotFiniteChangesNothing) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Optimizer optimizer(Unclipped("adam"), 2);
    Floats parameters{1, 2};
    optimizer.Step(parameters, Floats{0.5f, -0.5f}, 0);
    const Floats before = parameters, mean = optimizer.mean(), square = optimizer.square();
    EXPECT_FALSE(std::isfinite(optimizer.Step(parameters, Floats{1, bad}, 0)));
    EXPECT_EQ(parameters, before);
    EXPECT_EQ(optimizer.mean(), mean);
    EXPECT_EQ(optimizer.square(), square);
    EXPECT_EQ(optimizer.updates(), 1);
  }
}

TEST(Optimizer, GoesOnFromItsSavedState) {
  Floats parameters{1, 2, 3};
  Optimizer whole(Unclipped("adam"), 3), resumed(Unclipped("adam"), 3);
  for (uint32_t t = 0; t < 5; ++t) whole.Step(parameters, RandomGradient(3, t), 0);
  resumed.mean() = whole.mean(), resumed.square() = whole.square(), resumed.set_updates(whole.updates());
  Floats copy = parameters;
  whole.Step(parameters, RandomGradient(3, 9), 0);
  resumed.Step(copy, RandomGradient(3, 9), 0);
  EXPECT_EQ(parameters, copy);
}

}  // namespace
}  // namespace lethe::agents
