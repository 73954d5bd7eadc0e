#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "configs/document.h"
#include "configs/range.h"

namespace lethe::configs {

/// One option: a name, the member it sets, what that member may hold, and what it means. Made by Options.
struct Option {
  using Target = std::variant<bool*, int*, int64_t*, double*, std::string*>;
  using Value = std::variant<bool, int, int64_t, double, std::string>;  ///< one alternative per target, same order
  using Allowed = std::variant<Any, Range, OneOf>;

  std::string name;  ///< dotted
  Target target;
  Allowed allowed;
  std::string meaning;
  size_t section = 0;        ///< where it is listed: index into the sections of Options
  std::string default_text;  ///< the member's value when it was bound

  /// The member's present value, as YAML.
  std::string ValueText() const;

  /// "true or false", "integer, 0..10", "adam or rmsprop", "any text".
  std::string AllowedText() const;

  /// The value of a document's entry, checked. Errors: OptionError.
  Value Parse(const Document::Entry& entry) const;

  /// `value` must hold the target's type.
  void Assign(const Value& value) const;

  /// "" if the member's present value is allowed, else what is wrong.
  std::string WhyNotAllowed() const;
};

}  // namespace lethe::configs
