#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <sstream>
#include <string>

#include "memory/torch.h"
#include "tests/memory/close.h"
#include "tests/memory/published_weight.h"
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
  bool Has(const std::string& name) const { return expected_.Has(name); }
  void Gradients(const std::string& group, const std::vector<torch::Tensor>& gradients,
                 const PublishedWeights& weights) {
    for (size_t i = 0; i < weights.size(); ++i)
      if (expected_.Has(group + "." + weights[i].name)) Close(group + "." + weights[i].name, gradients[i]);
  }
  /// Every tensor of the file was compared, but for what was given. Records the largest error in the test's report.
  void ExpectAllSeen() const {
    std::ostringstream worst;
    worst << worst_;
    testing::Test::RecordProperty(expected_.name() + "_worst_error", worst.str());
    for (const configs::TensorView& view : expected_.tensors())
      EXPECT_TRUE(IsGiven(view.name) || seen_.contains(view.name))
          << expected_.name() << ": " << view.name << " was not checked";
  }

 private:
  static bool IsGiven(const std::string& name) {
    return name.starts_with("weight.") || name == "text" || name == "noise" || name == "inputs" ||
           name == "grad_outputs";
  }

  const ReferenceCase& expected_;
  const double tolerance_;
  std::set<std::string> seen_;
  double worst_ = 0;
};

}  // namespace lethe::memory
