#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "memory/torch.h"
#include "tests/memory/close.h"
#include "tests/memory/core_case.h"

namespace lethe::memory {

/// The same memories: whole numbers equal, others within the tolerance.
inline void ExpectSameState(const StatePtr& got, const StatePtr& want, double tolerance) {
  const TensorMap a = got->Save(), b = want->Save();
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, tensor] : b) {
    if (tensor.is_floating_point()) {
      ExpectClose(a.at(name), tensor, tolerance, name);
    } else {
      EXPECT_TRUE(torch::equal(a.at(name), tensor)) << name;
    }
  }
}

inline void ExpectSameBits(const StatePtr& got, const StatePtr& want) {
  const TensorMap a = got->Save(), b = want->Save();
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, tensor] : b) EXPECT_TRUE(SameBits(a.at(name), tensor)) << name;
}

class EveryCore : public testing::TestWithParam<std::string> {
 protected:
  const CoreInfo& info() const { return FindCore(GetParam()); }
  std::shared_ptr<Core> Small(uint64_t seed, torch::Dtype dtype = torch::kDouble) const {
    return SmallCore(info(), {}, seed, dtype);
  }
  /// The check, with a core of every variant.
  void ForVariants(uint64_t seed, torch::Dtype dtype,
                   const std::function<void(const Core&, const CoreVariant&)>& check) const {
    for (const CoreVariant& variant : VariantsOf(info())) {
      SCOPED_TRACE(variant.name);
      check(*SmallCore(info(), variant.values, seed, dtype), variant);
    }
  }
};

}  // namespace lethe::memory
