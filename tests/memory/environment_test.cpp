#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "memory/torch.h"

namespace lethe::memory {
namespace {

/// Tests run side by side: on small tensors a second thread per operator only waits.
class OneThread : public testing::Environment {
  void SetUp() override { at::set_num_threads(1); }
};

const testing::Environment* const kOneThread = testing::AddGlobalTestEnvironment(new OneThread);

}  // namespace
}  // namespace lethe::memory
