#pragma once

#include <string>

#include "envs/json.h"
#include "envs/spec.h"

namespace lethe::envs {

// A level record is a JSON object {"env": family, "version": n, "params": {every parameter}, hidden quantities}.

/// Reads a record of this environment. Errors: std::invalid_argument if it is no JSON object, or of another one.
Json ParseLevel(const std::string& level_json, const Spec& spec);

/// Errors: std::invalid_argument naming the first member that differs; `except` may differ.
void RequireEqual(const Json& expected, const Json& got, const std::string& except = "");

}  // namespace lethe::envs
