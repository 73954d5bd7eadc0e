#pragma once

#include <memory>

#include "memory/banked_state.h"
#include "memory/core.h"

namespace lethe::memory {

class BankedTransformer;

/// Steps a banked memory through one unroll, in the way that is fastest here. At present that is the operator stepper.
/// The core must outlive the stepper. The state stays untouched: Finish returns a new one.
std::unique_ptr<Stepper> MakeStepper(const BankedTransformer& core, std::shared_ptr<const BankedState> state,
                                     int64_t steps);

/// The tensor-operator stepper, for any device.
std::unique_ptr<Stepper> MakeOperatorStepper(const BankedTransformer& core, std::shared_ptr<const BankedState> state,
                                             int64_t steps);

}  // namespace lethe::memory
