#pragma once

#include "tools/python/vector_core.h"

#include <nanobind/nanobind.h>

namespace lethe::python {

/// Copies one action per row from Python to core.actions: an array of any integer type, a CPU tensor, a list. They are
/// copied even where they are uint8, so that another thread of Python cannot change them between check and step.
/// Errors: TypeError if they are no integers, ValueError for another shape or an action outside the table, unless its
/// row takes none. Then core is as before but for core.actions.
void TakeActions(VectorCore& core, nanobind::handle actions);

/// The same for one environment: anything with __index__.
void TakeAction(VectorCore& core, nanobind::handle action);

}  // namespace lethe::python
