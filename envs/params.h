#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "configs/nearest.h"
#include "configs/range.h"
#include "envs/json.h"

namespace lethe::envs {

/// Is shown every option of a parameter struct, one call each. An option is an int64_t, a double, a bool or a
/// std::string, free or with its allowed words.
class OptionVisitor {
 public:
  virtual ~OptionVisitor() = default;
  virtual void operator()(const char* name, int64_t& value, const configs::Range&, const char* meaning) = 0;
  virtual void operator()(const char* name, double& value, const configs::Range&, const char* meaning) = 0;
  virtual void operator()(const char* name, bool& value, const configs::Any&, const char* meaning) = 0;
  virtual void operator()(const char* name, std::string& value, const configs::OneOf&, const char* meaning) = 0;
  virtual void operator()(const char* name, std::string& value, const configs::Any&, const char* meaning) = 0;
};

/// OptionVisitor over any object that takes the same calls, configs::Options among them.
template <class V>
class VisitorFor final : public OptionVisitor {
 public:
  explicit VisitorFor(V& visitor) : visitor_(visitor) {}
  void operator()(const char* name, int64_t& value, const configs::Range& allowed, const char* meaning) override {
    visitor_(name, value, allowed, meaning);
  }
  void operator()(const char* name, double& value, const configs::Range& allowed, const char* meaning) override {
    visitor_(name, value, allowed, meaning);
  }
  void operator()(const char* name, bool& value, const configs::Any& allowed, const char* meaning) override {
    visitor_(name, value, allowed, meaning);
  }
  void operator()(const char* name, std::string& value, const configs::OneOf& allowed, const char* meaning) override {
    visitor_(name, value, allowed, meaning);
  }
  void operator()(const char* name, std::string& value, const configs::Any& allowed, const char* meaning) override {
    visitor_(name, value, allowed, meaning);
  }

 private:
  V& visitor_;
};

/// Parameters that every environment has; the batch acts on them (envs/batch.h).
struct TaskParams {
  double step_cost = 0;
  bool hint = false;
  int64_t max_steps = 0;

  template <class V>
  void Visit(V& v) {
    v("step_cost", step_cost, configs::Range{0, 1}, "subtracted from the reward at every step");
    v("hint", hint, configs::Any{}, "append the oracle's action to the observation: the control run");
    v("max_steps", max_steps, configs::Range{0}, "limit of steps; 0: the formula of the environment");
  }
  void Check() const {}
};

/// The parameters of some environment family, their type erased. Made by Entry::make_params (envs/registry.h).
/// Errors: std::invalid_argument with the name, the value and what is allowed.
class Params {
 public:
  virtual ~Params() = default;
  virtual std::unique_ptr<Params> Clone() const = 0;

  /// Shows every option to `visitor` as visitor(name, member, allowed, meaning).
  template <class V>
  void Visit(V& visitor) {
    VisitorFor<V> erased(visitor);
    VisitOptions(erased);
  }

  /// Ranges, then the rules between options.
  void Check() const;

  /// One option by name, as JSON. Set refuses unknown names and other types; ranges are left to Check.
  Json Get(const std::string& name) const;
  void Set(const std::string& name, const Json& value);

  /// All options as one object, and back: FromJson wants every option, nothing else, and checks.
  Json ToJson() const;
  void FromJson(const Json& object);

 protected:
  virtual void VisitOptions(OptionVisitor& visitor) = 0;
  virtual void CheckRules() const = 0;
};

/// The parameters of one family: a plain struct with `template <class V> void Visit(V& v)`, one line per option,
/// and `void Check() const` for the rules between options.
template <class P>
class ParamsOf final : public Params {
 public:
  explicit ParamsOf(P initial = {}) : values(std::move(initial)) {}

  P values;

  std::unique_ptr<Params> Clone() const override { return std::make_unique<ParamsOf>(values); }

 protected:
  void VisitOptions(OptionVisitor& visitor) override { values.Visit(visitor); }
  void CheckRules() const override { values.Check(); }
};

namespace detail {

struct WriteAll {
  Json object = Json::object();

  template <class T, class Allowed>
  void operator()(const char* name, T& value, const Allowed&, const char*) {
    object[name] = value;
  }
};

inline bool Fits(const Json& json, int64_t) { return IsInt64(json); }
inline bool Fits(const Json& json, double) { return json.is_number(); }
inline bool Fits(const Json& json, bool) { return json.is_boolean(); }
inline bool Fits(const Json& json, const std::string&) { return json.is_string(); }

inline const char* NameOfType(int64_t) { return "an integer"; }
inline const char* NameOfType(double) { return "a number"; }
inline const char* NameOfType(bool) { return "true or false"; }
inline const char* NameOfType(const std::string&) { return "text"; }

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
  void operator()(const char*, std::string&, const configs::Any&, const char*) {}
};

[[noreturn]] inline void ThrowUnknown(const std::string& name, const Json& options) {
  std::vector<std::string> names;
  for (const auto& [option, value] : options.items()) names.push_back(option);
  throw std::invalid_argument(fmt::format("unknown parameter {}{}", name, configs::DidYouMean(name, names)));
}

}  // namespace detail

inline void Params::Check() const {
  detail::CheckRanges ranges;
  Clone()->Visit(ranges);
  CheckRules();
}

inline Json Params::ToJson() const {
  detail::WriteAll write;
  Clone()->Visit(write);
  return write.object;
}

inline Json Params::Get(const std::string& name) const {
  const Json options = ToJson();
  if (!options.contains(name)) detail::ThrowUnknown(name, options);
  return options.at(name);
}

inline void Params::Set(const std::string& name, const Json& value) {
  detail::SetOne set{name, value};
  Visit(set);
  if (!set.found) detail::ThrowUnknown(name, ToJson());
}

inline void Params::FromJson(const Json& object) {
  if (!object.is_object()) throw std::invalid_argument("parameters have to be a JSON object");
  for (const auto& [name, value] : object.items()) Set(name, value);
  const Json options = ToJson();
  for (const auto& [name, value] : options.items()) Field(object, name.c_str());
  Check();
}

}  // namespace lethe::envs
