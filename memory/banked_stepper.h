#pragma once

#include <memory>

#include "memory/banked_state.h"
#include "memory/core.h"

namespace lethe::memory {

class BankedTransformer;

/// Steps a banked memory through one unroll: by the fused stepper where CanFuse (fused_stepper.h), else in operators.
/// The core must outlive the stepper. The state stays untouched: Finish returns a new one.
std::unique_ptr<Stepper> MakeStepper(const BankedTransformer& core, std::shared_ptr<const BankedState> state,
                                     int64_t steps, Between between = {});

/// The tensor-operator stepper, for any device, type and option.
std::unique_ptr<Stepper> MakeOperatorStepper(const BankedTransformer& core, std::shared_ptr<const BankedState> state,
                                             int64_t steps, Between between = {});

}  // namespace lethe::memory
