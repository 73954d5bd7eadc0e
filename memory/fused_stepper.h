#pragma once

#include <memory>

#include "memory/banked_state.h"
#include "memory/core.h"

namespace lethe::memory {

class BankedTransformer;

/// True for memories that the fused stepper steps: float32 on the CPU, no gates, spans by a rule that all heads share
/// (Expire-Span, Transformer-XL), and nothing of the published mode or of shortened spans.
bool CanFuse(const BankedTransformer& core);

/// Steps a memory through one unroll in kernels/step.h: parameters are packed and the bank is projected once, at the
/// start; a step then neither allocates nor calls tensor operators, unless a trace is asked for
/// or something is added between layers: the kernel then runs once for each of them. Keys lie in groups of
/// 16, and a group is looked at while one of its keys lives; what is dead at the start is left out.
/// The core must outlive the stepper, and CanFuse must hold for it. Errors: NotFinite where spans, attention or, at the
/// start, spans of the bank are not.
std::unique_ptr<Stepper> MakeFusedStepper(const BankedTransformer& core, std::shared_ptr<const BankedState> state,
                                          int64_t steps, Between between = {});

}  // namespace lethe::memory
