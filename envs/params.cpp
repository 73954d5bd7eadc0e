#include "envs/params.h"

#include <algorithm>
#include <stdexcept>
#include <vector>

#include <fmt/format.h>

#include "configs/nearest.h"

namespace lethe::envs {
namespace {

struct WriteAll {
  Json object = Json::object();

  template <class T, class Allowed>
  void operator()(const char* name, T& value, const Allowed&, const char*) {
    object[name] = value;
  }
};

bool Fits(const Json& json, int64_t) { return IsInt64(json); }
bool Fits(const Json& json, double) { return json.is_number(); }
bool Fits(const Json& json, bool) { return json.is_boolean(); }
bool Fits(const Json& json, const std::string&) { return json.is_string(); }

const char* NameOfType(int64_t) { return "an integer"; }
const char* NameOfType(double) { return "a number"; }
const char* NameOfType(bool) { return "true or false"; }
const char* NameOfType(const std::string&) { return "text"; }

struct SetOne {
  const std::string& name;
  const Json& json;
  bool found = false;

  template <class T, class Allowed>
  void operator()(const char* option, T& value, const Allowed&, const char*) {
    if (name != option) return;
    found = true;
    if (!Fits(json, value)) {
      throw std::invalid_argument(fmt::format("{} is {}; allowed: {}", name, json.dump(), NameOfType(value)));
    }
    value = json.get<T>();
  }
};

struct CheckRanges {
  template <class T>
  void operator()(const char* name, T& value, const configs::Range& range, const char*) {
    if (configs::Contains(range, value)) return;
    throw std::invalid_argument(fmt::format("{} is {}; allowed: {}", name, value, configs::Describe(range)));
  }
  void operator()(const char* name, std::string& value, const configs::OneOf& allowed, const char*) {
    if (std::ranges::find(allowed.words, value) != allowed.words.end()) return;
    throw std::invalid_argument(fmt::format("{} is \"{}\"; allowed: {}", name, value, configs::Describe(allowed)));
  }
  void operator()(const char*, bool&, const configs::Any&, const char*) {}
};

[[noreturn]] void ThrowUnknown(const std::string& name, const Json& options) {
  std::vector<std::string> names;
  for (const auto& [option, value] : options.items()) names.push_back(option);
  throw std::invalid_argument(fmt::format("unknown parameter {}{}", name, configs::DidYouMean(name, names)));
}

}  // namespace

void Params::Check() const {
  CheckRanges ranges;
  Clone()->Visit(ranges);
  CheckRules();
}

Json Params::ToJson() const {
  WriteAll write;
  Clone()->Visit(write);
  return write.object;
}

Json Params::Get(const std::string& name) const {
  const Json options = ToJson();
  if (!options.contains(name)) ThrowUnknown(name, options);
  return options.at(name);
}

void Params::Set(const std::string& name, const Json& value) {
  SetOne set{name, value};
  Visit(set);
  if (!set.found) ThrowUnknown(name, ToJson());
}

void Params::FromJson(const Json& object) {
  if (!object.is_object()) throw std::invalid_argument("parameters have to be a JSON object");
  for (const auto& [name, value] : object.items()) Set(name, value);
  const Json options = ToJson();
  for (const auto& [name, value] : options.items()) Field(object, name.c_str());
  Check();
}

}  // namespace lethe::envs
