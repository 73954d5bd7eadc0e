#include "configs/option.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <type_traits>

#include <fmt/format.h>

#include "configs/nearest.h"
#include "configs/scalar.h"

namespace lethe::configs {
namespace {

// "" if allowed, else the reason.
std::string Refusal(const Option& option, long double number, const std::string& text) {
  const auto* range = std::get_if<Range>(&option.allowed);
  const bool is_fine = std::isfinite(number) && (range == nullptr || Contains(*range, number));
  return is_fine ? "" : fmt::format("got {}, allowed {}", text, option.AllowedText());
}

std::string Refusal(const Option& option, const std::string& word) {
  const auto* one_of = std::get_if<OneOf>(&option.allowed);
  if (one_of == nullptr) return "";
  const auto& words = one_of->words;
  if (std::find(words.begin(), words.end(), word) != words.end()) return "";
  return fmt::format("got {}, allowed {}{}", InBackticks(word), option.AllowedText(), DidYouMean(word, words));
}

std::string RefusalOf(const Option& option, const Option::Value& value, const std::string& text) {
  if (const auto* word = std::get_if<std::string>(&value)) return Refusal(option, *word);
  if (const auto* number = std::get_if<double>(&value)) return Refusal(option, *number, text);
  if (const auto* number = std::get_if<int64_t>(&value)) return Refusal(option, *number, text);
  if (const auto* number = std::get_if<int>(&value)) return Refusal(option, *number, text);
  return "";
}

Option::Value ValueOf(const Option::Target& target) {
  return std::visit([](auto* member) { return Option::Value(*member); }, target);
}

int ParseInt(const std::string& text) {
  const int64_t value = ParseInteger(text);
  if (value == static_cast<int>(value)) return static_cast<int>(value);
  throw std::invalid_argument(fmt::format("got {}, beyond the range of a 32-bit integer", InBackticks(text)));
}

Option::Value ParseAs(const Option::Target& target, const std::string& text) {
  if (std::holds_alternative<bool*>(target)) return ParseBool(text);
  if (std::holds_alternative<int*>(target)) return ParseInt(text);
  if (std::holds_alternative<int64_t*>(target)) return ParseInteger(text);
  if (std::holds_alternative<double*>(target)) return ParseNumber(text);
  return text;
}

// std::invalid_argument says what is wrong with the text, and what is allowed.
Option::Value ParseAllowed(const Option& option, const std::string& text) {
  Option::Value value;
  try {
    value = ParseAs(option.target, text);
  } catch (const std::invalid_argument& error) {
    throw std::invalid_argument(fmt::format("{}; allowed {}", error.what(), option.AllowedText()));
  }
  const std::string refusal = RefusalOf(option, value, text);
  if (!refusal.empty()) throw std::invalid_argument(refusal);
  return value;
}

std::string JoinNonEmpty(const std::string& first, const std::string& second) {
  return second.empty() ? first : first + ", " + second;
}

}  // namespace

std::string Option::ValueText() const {
  return std::visit([](auto* member) { return YamlText(*member); }, target);
}

std::string Option::AllowedText() const {
  if (const auto* one_of = std::get_if<OneOf>(&allowed)) return Describe(*one_of);
  const auto* range = std::get_if<Range>(&allowed);
  const std::string bounds = range == nullptr ? "" : Describe(*range);
  if (std::holds_alternative<bool*>(target)) return "true or false";
  if (std::holds_alternative<std::string*>(target)) return "any text";
  if (std::holds_alternative<double*>(target)) return bounds.empty() ? "any number" : bounds;
  return JoinNonEmpty("integer", bounds);
}

Option::Value Option::Parse(const Document::Entry& entry) const {
  const auto refuse = [&](const std::string& where, const std::string& reason) {
    return OptionError(where, fmt::format("key `{}`: {}", name, reason));
  };
  if (entry.is_section) {
    throw refuse(entry.key_where, fmt::format("got a section, expected one value; allowed {}", AllowedText()));
  }
  if (entry.is_quoted && !std::holds_alternative<std::string*>(target)) {
    const std::string text = InBackticks(entry.text);
    throw refuse(entry.where, fmt::format("got {} in quotes, which is text; allowed {}", text, AllowedText()));
  }
  try {
    return ParseAllowed(*this, entry.text);
  } catch (const std::invalid_argument& error) {
    throw refuse(entry.where, error.what());
  }
}

void Option::Assign(const Value& value) const {
  std::visit([&](auto* member) { *member = std::get<std::decay_t<decltype(*member)>>(value); }, target);
}

std::string Option::WhyNotAllowed() const { return RefusalOf(*this, ValueOf(target), ValueText()); }

}  // namespace lethe::configs
