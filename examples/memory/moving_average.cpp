#include "moving_average.h"

#include <cmath>

#include "memory/check.h"
#include "memory/check_block.h"
#include "memory/one_step.h"
#include "memory/recurrent_state.h"
#include "memory/registry.h"

namespace lethe::memory {

using torch::Tensor;

namespace {

// What a row carries from step to step, by name and width.
std::vector<CarriedVector> Layout(int64_t dim) { return {{"average", dim}}; }

}  // namespace

void MovingAverageOptions::Visit(OptionVisitor& visit) {
  CoreOptions::Visit(visit);
  visit("initial_decay", initial_decay, 1e-6, 0.999999, "share of the average that a step keeps, at first");
}

void MovingAverageOptions::Check() const {
  CheckOption(dim >= 1, "dim", dim, ">= 1");
  CheckOption(initial_decay > 0 && initial_decay < 1, "initial_decay", initial_decay, "between 0 and 1, exclusive");
}

std::shared_ptr<Core> MovingAverageOptions::Make() const { return std::make_shared<MovingAverage>(*this); }

MovingAverage::MovingAverage(const MovingAverageOptions& o) {
  o.Check();
  decay_ = register_parameter("decay", torch::full({o.dim}, -std::log(1 / o.initial_decay - 1)));
  mix_ = register_parameter("mix", torch::randn({o.dim, o.dim}) / std::sqrt(static_cast<double>(o.dim)));
}

StatePtr MovingAverage::Start(int64_t rows) const { return RecurrentState::Start(Layout(dim()), rows, Type()); }

BlockOutput MovingAverage::Forward(const Tensor& x, const Tensor& episode_start, const StatePtr& state,
                                   int64_t lookahead, bool want_state, uint64_t, const Between& between) const {
  RefuseBetween(between);  // there are no layers to add something between
  const RecurrentState& before = RecurrentState::Of(state, Layout(dim()), Type());
  CheckBlock(x, episode_start, before.rows(), dim(), decay_, lookahead);
  const int64_t steps = x.size(1), fresh = steps - lookahead;
  const Tensor d = decay_.sigmoid(), keep = (episode_start == 0).to(x.options().requires_grad(false)).unsqueeze(2);
  std::vector<Tensor> averages;
  Tensor average = before.vectors()[0];  // [B, H]
  for (int64_t t = 0; t < steps; ++t) {
    average = d * (keep.select(1, t) * average) + (1 - d) * x.select(1, t);
    averages.push_back(average);
  }
  BlockOutput result;
  result.y = x + torch::linear(torch::stack(averages, 1), mix_);
  if (want_state)
    result.state = std::make_shared<RecurrentState>(Layout(dim()), std::vector<Tensor>{averages[fresh - 1].detach()},
                                                    before.clock() + fresh);
  return result;
}

std::unique_ptr<Stepper> MovingAverage::Begin(const StatePtr& state, int64_t steps, Between between) const {
  RefuseBetween(between);
  RecurrentState::Of(state, Layout(dim()), Type());
  return StepByForward(*this, state, steps);
}

StatePtr MovingAverage::Restore(const TensorMap& saved) const {
  return RecurrentState::Restore(saved, Layout(dim()), Type());
}

StatePtr MovingAverage::Gather(const StatePtr& state, const std::vector<int64_t>& rows) const {
  return RecurrentState::Of(state, Layout(dim()), Type()).Gather(rows);
}

Flops MovingAverage::CountFlops(int64_t, double) const {
  const auto width = static_cast<double>(dim());
  return {2 * width * width + 4 * width, 0};
}

LETHE_REGISTER_CORE("moving_average", MovingAverageOptions, "a moving average of every channel, the decay learned");

}  // namespace lethe::memory
