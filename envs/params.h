#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "configs/range.h"
#include "envs/json.h"

namespace lethe::envs {

/// Is shown every option of a parameter struct, one call each. An option is an int64_t, a double, a bool or a
/// std::string with its allowed words.
class OptionVisitor {
 public:
  virtual ~OptionVisitor() = default;
  virtual void operator()(const char* name, int64_t& value, const configs::Range&, const char* meaning) = 0;
  virtual void operator()(const char* name, double& value, const configs::Range&, const char* meaning) = 0;
  virtual void operator()(const char* name, bool& value, const configs::Any&, const char* meaning) = 0;
  virtual void operator()(const char* name, std::string& value, const configs::OneOf&, const char* meaning) = 0;
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

 private:
  V& visitor_;
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

}  // namespace lethe::envs
