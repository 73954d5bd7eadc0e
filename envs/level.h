#pragma once

#include <stdexcept>
#include <string>

#include <fmt/format.h>

#include "envs/json.h"
#include "envs/spec.h"

namespace lethe::envs {

// A level record is a JSON object {"env": family, "version": n, "params": {every parameter}, hidden quantities}.

/// Errors: std::invalid_argument naming the first member that differs; `except` may differ.
inline void RequireEqual(const Json& expected, const Json& got, const std::string& except = "") {
  for (const auto& [name, value] : expected.items()) {
    const Json& other = Field(got, name.c_str());
    if (name == except || other == value) continue;
    throw std::invalid_argument(fmt::format("{} is {}; this batch has {}", name, other.dump(), value.dump()));
  }
}

/// Reads a record of this environment. Errors: std::invalid_argument if it is no JSON object, or of another one.
inline Json ParseLevel(const std::string& level_json, const Spec& spec) {
  Json record = Json::parse(level_json, nullptr, /*allow_exceptions=*/false);
  if (!record.is_object()) throw std::invalid_argument("a level record has to be a JSON object");
  RequireEqual({{"env", spec.family}, {"version", spec.version}},
               {{"env", Field(record, "env")}, {"version", Field(record, "version")}});
  Field(record, "params");
  return record;
}

}  // namespace lethe::envs
