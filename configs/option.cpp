#include "configs/option.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

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

std::string Text(bool value) { return YamlText(value); }
std::string Text(int value) { return YamlText(int64_t{value}); }
std::string Text(int64_t value) { return YamlText(value); }
std::string Text(double value) { return YamlText(value); }
std::string Text(const std::string& value) { return YamlText(value); }

int ParseInt(const Option& option, const std::string& text) {
  const int64_t value = ParseInteger(text);
  const int64_t largest = std::numeric_limits<int>::max();
  if (value >= -largest - 1 && value <= largest) return static_cast<int>(value);
  const std::string refusal = Refusal(option, value, text);
  throw std::invalid_argument(refusal.empty() ? fmt::format("got {}, too large for an integer of 32 bits", text)
                                              : refusal);
}

// Parses by the type of the target; std::invalid_argument says what is wrong with the text.
Option::Value ParseText(const Option& option, const std::string& text) {
  if (std::holds_alternative<bool*>(option.target)) return ParseBool(text);
  if (std::holds_alternative<int*>(option.target)) return ParseInt(option, text);
  if (std::holds_alternative<int64_t*>(option.target)) return ParseInteger(text);
  if (std::holds_alternative<double*>(option.target)) return ParseNumber(text);
  return text;
}

std::string JoinNonEmpty(const std::string& first, const std::string& second) {
  return second.empty() ? first : first + ", " + second;
}

}  // namespace

std::string Option::ValueText() const {
  return std::visit([](auto* member) { return Text(*member); }, target);
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
  const auto refuse = [&](const std::string& reason) {
    return OptionError(entry.where, fmt::format("key `{}`: {}", name, reason));
  };
  if (entry.is_section)
    throw OptionError(entry.key_where,
                      fmt::format("key `{}`: got a section, expected a value: {}", name, AllowedText()));
  if (entry.is_quoted && !std::holds_alternative<std::string*>(target)) {
    throw refuse(fmt::format("got {} in quotes, which is text; allowed {}", InBackticks(entry.text), AllowedText()));
  }
  Value value;
  try {
    value = ParseText(*this, entry.text);
  } catch (const std::invalid_argument& error) {
    const std::string reason = error.what();
    const bool says_allowed = reason.find("allowed") != std::string::npos;
    throw refuse(says_allowed ? reason : fmt::format("{}; allowed {}", reason, AllowedText()));
  }
  const std::string refusal = RefusalOf(*this, value, entry.text);
  if (!refusal.empty()) throw refuse(refusal);
  return value;
}

void Option::Assign(const Value& value) const {
  std::visit([&](auto* member) { *member = std::get<std::decay_t<decltype(*member)>>(value); }, target);
}

std::string Option::WhyNotAllowed() const { return RefusalOf(*this, ValueOf(target), ValueText()); }

}  // namespace lethe::configs
