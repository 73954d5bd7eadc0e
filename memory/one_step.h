#pragma once

#include <memory>

#include "memory/core.h"

namespace lethe::memory {

/// A stepper for cores whose step costs no more as a block of one: every Step is such a Forward.
/// The core must outlive it. Living and Spans are empty, and traces too.
std::unique_ptr<Stepper> StepByForward(const Core& core, StatePtr state, int64_t steps);

}  // namespace lethe::memory
