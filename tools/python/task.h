#pragma once

#include <memory>

#include <nanobind/nanobind.h>

#include "envs/registration.h"

namespace lethe::python {

/// The parameters of an id with some of them changed: {name: bool, int, float or text}, NumPy's numbers included.
/// Errors: ValueError for unknown names, values out of range or of another type.
std::unique_ptr<envs::Params> ParamsOf(const envs::Entry& entry, const nanobind::dict& changes);

/// What lethe.Task holds, as keyword arguments for it.
nanobind::dict DescribeTask(const envs::Entry& entry, const envs::Params& params, const envs::Spec& spec);

}  // namespace lethe::python
