#pragma once

#include <cstdint>
#include <vector>

#include "memory/banked_stepper.h"
#include "memory/expire_span.h"
#include "memory/torch.h"

namespace lethe::memory {

/// Small sizes with heads * head_dim other than dim, in which memories expire within a few blocks.
inline ExpireSpanOptions SmallOptions() {
  ExpireSpanOptions o;
  o.layers = 2, o.dim = 12, o.heads = 2, o.head_dim = 5, o.ffn = 16;
  o.span_limit = 24, o.ramp = 4, o.positions = 6;
  return o;
}

/// A memory whose spans differ from step to step: `spread` is the weight of the span predictor.
inline ExpireSpan RandomMemory(const ExpireSpanOptions& options, uint64_t seed, torch::Dtype dtype = torch::kDouble,
                               double spread = 0.7) {
  torch::manual_seed(seed);
  ExpireSpan core(options);
  const torch::NoGradGuard no_grad;
  for (const TransformerLayer& layer : core.layers()) {
    torch::Tensor span = layer.span, bias = layer.span_bias;
    span.normal_(0, spread);
    bias.fill_(-0.5);
  }
  core.to(dtype);
  return core;
}

/// Inputs and episode starts of consecutive blocks.
struct Blocks {
  std::vector<torch::Tensor> x;       ///< [B, T, D]
  std::vector<torch::Tensor> starts;  ///< [B, T] u8
};

inline Blocks RandomBlocks(int64_t blocks, int64_t rows, int64_t steps, int64_t dim, double start_probability,
                           uint64_t seed, torch::Dtype dtype = torch::kDouble) {
  torch::manual_seed(seed);
  Blocks b;
  for (int64_t k = 0; k < blocks; ++k) {
    b.x.push_back(torch::randn({rows, steps, dim}, torch::kDouble).to(dtype));
    b.starts.push_back((torch::rand({rows, steps}) < start_probability).to(torch::kByte));
  }
  return b;
}

/// One unroll taken step by step.
struct Steps {
  torch::Tensor y;                    ///< [B, T, D]
  std::vector<torch::Tensor> living;  ///< per layer [B, T] i64
  std::vector<torch::Tensor> spans;   ///< per layer [B, T] f64
  StatePtr state;
};

inline Steps TakeSteps(Stepper& stepper, const torch::Tensor& x, const torch::Tensor& starts, size_t layers) {
  const int64_t rows = x.size(0), steps = x.size(1);
  Steps result;
  result.living.assign(layers, {});
  result.spans.assign(layers, {});
  for (size_t l = 0; l < layers; ++l) {
    result.living[l] = torch::zeros({rows, steps}, torch::kLong);
    result.spans[l] = torch::zeros({rows, steps}, torch::kDouble);
  }
  std::vector<torch::Tensor> y;
  for (int64_t t = 0; t < steps; ++t) {
    const torch::Tensor start = starts.select(1, t).contiguous();
    y.push_back(stepper.Step(x.select(1, t).contiguous(), start.const_data_ptr<uint8_t>()).clone());
    const auto living = stepper.Living();
    const auto spans = stepper.Spans();
    for (size_t l = 0; l < layers; ++l)
      for (int64_t row = 0; row < rows; ++row) {
        result.living[l][row][t] = living[l][static_cast<size_t>(row)];
        result.spans[l][row][t] = spans[l][static_cast<size_t>(row)];
      }
  }
  result.y = torch::stack(y, 1);
  result.state = stepper.Finish();
  return result;
}

/// A state whose rows remember `count` random steps each, at ages spread over 1..age_limit.
inline StatePtr RandomState(const ExpireSpan& core, int64_t rows, int64_t count, int64_t age_limit, int64_t clock,
                            uint64_t seed) {
  torch::manual_seed(seed);
  TensorMap saved{{"clock", torch::full({rows}, clock, torch::kLong)}};
  for (int64_t l = 0; l < core.options().layers; ++l) {
    std::vector<torch::Tensor> times;
    for (int64_t row = 0; row < rows; ++row)
      times.push_back(std::get<0>((clock - 1 - torch::randperm(age_limit, torch::kLong).slice(0, 0, count)).sort()));
    const std::string prefix = "layer" + std::to_string(l) + ".";
    saved[prefix + "time"] = torch::cat(times);
    saved[prefix + "hidden"] = torch::randn({rows * count, core.options().dim}, torch::kDouble);
    saved[prefix + "count"] = torch::full({rows}, count, torch::kLong);
  }
  return core.Restore(saved);
}

}  // namespace lethe::memory
