#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace lethe::envs {

/// JSON that keeps the order of its keys, so that records read the way they were written.
using Json = nlohmann::ordered_json;

/// Is it written as an integer (6, not 6.0) that an int64_t holds?
inline bool IsInt64(const Json& value) {
  return value.is_number_integer() && (!value.is_number_unsigned() || value.get<uint64_t>() <= INT64_MAX);
}

/// The member `key` of an object, or std::invalid_argument.
inline const Json& Field(const Json& object, const char* key) {
  if (!object.is_object() || !object.contains(key)) throw std::invalid_argument(fmt::format("{} is missing", key));
  return object.at(key);
}

/// An integer in lo .. hi, or std::invalid_argument; `name` is for the message.
inline int64_t IntegerIn(const Json& value, const std::string& name, int64_t lo, int64_t hi) {
  if (!IsInt64(value) || value.get<int64_t>() < lo || value.get<int64_t>() > hi) {
    throw std::invalid_argument(fmt::format("{} is {}; allowed: integers {}..{}", name, value.dump(), lo, hi));
  }
  return value.get<int64_t>();
}

/// The integer member `key` of an object, in lo .. hi.
inline int64_t IntegerField(const Json& object, const char* key, int64_t lo, int64_t hi) {
  return IntegerIn(Field(object, key), key, lo, hi);
}

}  // namespace lethe::envs
