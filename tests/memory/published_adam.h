#pragma once

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "memory/torch.h"
#include "tests/memory/reference_case.h"

namespace lethe::memory {

/// Adam (0.9, 0.999, 1e-8) with a warm-up and clipping by the norm of all gradients.
class PublishedAdam {
 public:
  PublishedAdam(std::vector<torch::Tensor> parameters, const ReferenceCase& c)
      : parameters_(std::move(parameters)),
        rate_(c.Get<double>("lr")),
        warmup_(c.Get<double>("lr_warmup")),
        clip_(c.Get<double>("grad_clip")) {
    for (const torch::Tensor& p : parameters_)
      mean_.push_back(torch::zeros_like(p)), square_.push_back(torch::zeros_like(p));
  }
  /// Takes one step; gives the learning rate and the norm before clipping.
  std::pair<double, double> Step() {
    const torch::NoGradGuard no_grad;
    ++step_;
    const double rate = rate_ * std::min(1.0, static_cast<double>(step_) / warmup_), norm = Norm();
    const double scale = clip_ > 0 ? std::min(1.0, clip_ / (norm + 1e-6)) : 1;
    for (size_t i = 0; i < parameters_.size(); ++i)
      if (parameters_[i].grad().defined()) Update(i, parameters_[i].grad() * scale, rate);
    return {rate, norm};
  }

 private:
  double Norm() const {
    double sum = 0;
    for (const torch::Tensor& p : parameters_)
      if (p.grad().defined()) sum += p.grad().to(torch::kDouble).square().sum().item<double>();
    return std::sqrt(sum);
  }
  void Update(size_t i, const torch::Tensor& gradient, double rate) {
    mean_[i] = 0.9 * mean_[i] + 0.1 * gradient;
    square_[i] = 0.999 * square_[i] + 0.001 * gradient * gradient;
    const double mean_bias = 1 - std::pow(0.9, step_), square_bias = 1 - std::pow(0.999, step_);
    parameters_[i] -= rate * (mean_[i] / mean_bias) / ((square_[i] / square_bias).sqrt() + 1e-8);
  }

  std::vector<torch::Tensor> parameters_, mean_, square_;
  const double rate_, warmup_, clip_;
  int step_ = 0;
};

}  // namespace lethe::memory
