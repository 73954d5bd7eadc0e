#pragma once

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include "memory/expire_span.h"
#include "memory/kernels/span_mask.h"
#include "tests/memory/close.h"
#include "tests/memory/published_model.h"
#include "tests/memory/reference_case.h"

namespace lethe::memory {

/// Compares with the tensors of one file, and knows which have not been compared.
class ReferenceCheck {
 public:
  ReferenceCheck(const ReferenceCase& expected, double tolerance) : expected_(expected), tolerance_(tolerance) {}

  void Close(const std::string& name, const torch::Tensor& got) {
    seen_.insert(name);
    const torch::Tensor want = expected_.Find(name);
    ExpectClose(got, want, tolerance_, expected_.name() + ": " + name);
    worst_ = std::max(worst_, got.sizes() == want.sizes() ? RelativeError(got, want) : 0);
  }
  /// Whole numbers: exactly equal.
  void Equal(const std::string& name, const torch::Tensor& got) {
    seen_.insert(name);
    EXPECT_TRUE(torch::equal(got, expected_.Find(name))) << expected_.name() << ": " << name;
  }
  void Gradients(const std::string& group, const std::vector<torch::Tensor>& gradients, const PublishedWeights& weights) {
    for (size_t i = 0; i < weights.size(); ++i)
      if (expected_.Has(group + "." + weights[i].name)) Close(group + "." + weights[i].name, gradients[i]);
  }
  /// Every tensor of the file was compared, but for what was given. Records the largest error in the test's report.
  void ExpectAllSeen() const {
    testing::Test::RecordProperty(expected_.name() + "_worst_error", std::to_string(std::log10(worst_)) + " (log10)");
    for (const configs::TensorView& view : expected_.tensors())
      EXPECT_TRUE(IsGiven(view.name) || seen_.contains(view.name)) << expected_.name() << ": " << view.name << " was not checked";
  }

 private:
  static bool IsGiven(const std::string& name) {
    return name.starts_with("weight.") || name == "text" || name == "noise" || name == "inputs" || name == "grad_outputs";
  }

  const ReferenceCase& expected_;
  const double tolerance_;
  std::set<std::string> seen_;
  double worst_ = 0;
};

/// Steps from the block's first query back to each memory, the published `distance`: bank, then 0, -1, .. for the block.
inline torch::Tensor Distances(const BankedState& state, const Bank& bank, int64_t steps) {
  const torch::Tensor age = state.clock().unsqueeze(1) - bank.time.view({state.rows(), -1});
  return torch::cat({age, -torch::arange(steps, torch::kLong).expand({state.rows(), steps})}, 1);
}

/// Spans of the same memories, [B, n] f64.
inline torch::Tensor AllSpans(const BankedTransformer::LayerPass& pass) {
  return torch::cat({pass.bank_span.view({pass.span.size(0), -1}), pass.span}, 1);
}

/// Ramp mask without the causal mask, [B, M, n], by the production function.
inline torch::Tensor RampMask(const torch::Tensor& span, const torch::Tensor& distance, int64_t steps,
                              const AttentionConstants& constants) {
  torch::Tensor mask = (span.clamp_max(constants.shorten) - distance).unsqueeze(1) -
                       torch::arange(steps, torch::kDouble).view({1, steps, 1});
  mask = mask.contiguous();
  double* m = mask.data_ptr<double>();
  for (int64_t i = 0; i < mask.numel(); ++i) m[i] = SpanMask(m[i], constants.ramp);
  return mask;
}

/// What a layer saw: distance, span, mask and attention weights of one block.
inline void CheckLayer(ReferenceCheck& check, const std::string& prefix, const ExpireSpan& core,
                       const BankedState& before, size_t layer, const BankedTransformer::LayerPass& pass) {
  const int64_t steps = pass.span.size(1);
  const torch::Tensor distance = Distances(before, before.banks()[layer], steps), span = AllSpans(pass);
  check.Equal(prefix + "distance", distance);
  check.Close(prefix + "span", span);
  Noise evaluation(0);
  check.Close(prefix + "mask", RampMask(span.detach(), distance, steps, core.Constants(evaluation)));
  check.Close(prefix + "attn", pass.detail.weights);
}

}  // namespace lethe::memory
