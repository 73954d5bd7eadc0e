#include "configs/scalar.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <limits>
#include <stdexcept>
#include <string_view>

#include <fmt/format.h>

#include "configs/nearest.h"
#include "configs/utf8.h"

namespace lethe::configs {
namespace {

[[noreturn]] void Refuse(const std::string& text, const std::string& reason) {
  throw std::invalid_argument(fmt::format("got {}, {}", InBackticks(text), reason));
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// The parts of a number in JSON's grammar: -12.5e+3 has sign, whole "12", fraction "5", exponent "+3".
struct Decimal {
  bool is_negative = false;
  std::string_view whole;
  std::string_view fraction;
  std::string_view exponent;
};

std::string_view TakeDigits(std::string_view& rest) {
  const auto* end = std::find_if_not(rest.begin(), rest.end(), IsDigit);
  const std::string_view digits = rest.substr(0, end - rest.begin());
  rest.remove_prefix(digits.size());
  return digits;
}

bool TakeAny(std::string_view& rest, std::string_view letters) {
  if (rest.empty() || letters.find(rest[0]) == std::string_view::npos) return false;
  rest.remove_prefix(1);
  return true;
}

// Why a text is no number, for the usual ways of getting it wrong.
std::string ReasonNotANumber(const std::string& text) {
  std::string lower;
  for (char c : text) lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const std::string digits = lower.substr(std::min(lower.find_first_not_of("+-."), lower.size()));
  if (text.empty()) return "a number is missing";
  if (digits == "nan" || digits == "inf" || digits == "infinity") return "not a finite number";
  if (digits.starts_with("0x") || digits.starts_with("0o") || digits.starts_with("0b"))
    return "numbers are decimal here";
  if (text.find_first_of("_,' ") != std::string::npos && IsDigit(digits[0]))
    return "not a number: digits stand without separators";
  if (text[0] == '+') return "not a number: leave out the plus sign";
  if (digits[0] == '0' && digits.size() > 1 && IsDigit(digits[1])) return "a number has no leading zeros";
  return "not a number";
}

// Reads the whole text or throws.
Decimal ParseDecimal(const std::string& text) {
  Decimal decimal;
  std::string_view rest = text;
  decimal.is_negative = TakeAny(rest, "-");
  decimal.whole = TakeDigits(rest);
  bool is_valid = !decimal.whole.empty() && (decimal.whole[0] != '0' || decimal.whole.size() == 1);
  if (TakeAny(rest, ".")) {
    decimal.fraction = TakeDigits(rest);
    is_valid = is_valid && !decimal.fraction.empty();
  }
  if (TakeAny(rest, "eE")) {
    const std::string_view from_sign = rest;
    TakeAny(rest, "+-");
    is_valid = is_valid && !TakeDigits(rest).empty();
    decimal.exponent = from_sign.substr(0, from_sign.size() - rest.size());
  }
  if (!is_valid || !rest.empty()) Refuse(text, ReasonNotANumber(text));
  return decimal;
}

// Exponents beyond a million digits act like a million: neither an int64 nor a double reaches so far.
int ClampedExponent(std::string_view text) {
  constexpr int kFar = 1'000'000;
  int value = 0;
  const bool is_negative = TakeAny(text, "-");
  TakeAny(text, "+");
  for (char digit : text) value = std::min(kFar, value * 10 + (digit - '0'));
  return is_negative ? -value : value;
}

bool IsPlainText(const std::string& text) {
  const auto is_safe = [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '-' || c == '.' || c == '/'; };
  if (text.empty() || !(std::isalpha(static_cast<unsigned char>(text[0])) || text[0] == '/')) return false;
  return text != "null" && text != "Null" && text != "NULL" && std::all_of(text.begin(), text.end(), is_safe);
}

}  // namespace

bool ParseBool(const std::string& text) {
  if (text != "true" && text != "false") Refuse(text, "not a truth value");
  return text == "true";
}

int64_t ParseInteger(const std::string& text) {
  const Decimal decimal = ParseDecimal(text);
  std::string digits = std::string(decimal.whole) + std::string(decimal.fraction);
  int64_t zeros = int64_t{ClampedExponent(decimal.exponent)} - static_cast<int64_t>(decimal.fraction.size());
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size()));
  if (digits.empty()) return 0;
  for (; zeros < 0 && digits.back() == '0'; ++zeros) digits.pop_back();
  if (zeros < 0) Refuse(text, "not an integer");

  constexpr int64_t kMaxDigits = 19;
  int64_t value = 0;
  const bool fits = static_cast<int64_t>(digits.size()) + zeros <= kMaxDigits;
  if (fits) digits = (decimal.is_negative ? "-" : "") + digits + std::string(zeros, '0');
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (!fits || result.ec != std::errc()) Refuse(text, "beyond the range of a 64-bit integer");
  return value;
}

double ParseNumber(const std::string& text) {
  ParseDecimal(text);
  double value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc()) Refuse(text, "beyond the range of a double");
  return value;
}

std::string YamlText(bool value) { return value ? "true" : "false"; }
std::string YamlText(int value) { return fmt::format("{}", value); }
std::string YamlText(int64_t value) { return fmt::format("{}", value); }
std::string YamlText(double value) { return fmt::format("{}", value); }

std::string YamlText(const std::string& text) {
  if (IsPlainText(text)) return text;
  std::string quoted;
  for (char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return fmt::format("\"{}\"", EscapeControls(quoted));
}

std::string EscapeControls(const std::string& text) {
  std::string escaped;
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_control = byte < 0x20 || byte == 0x7F;
    escaped += is_control ? fmt::format("\\x{:02x}", byte) : std::string(1, c);
  }
  return escaped;
}

std::string InBackticks(const std::string& text) {
  constexpr size_t kMaxBytes = 60;
  if (text.size() <= kMaxBytes) return fmt::format("`{}`", EscapeControls(text));
  size_t end = kMaxBytes;
  while (FindInvalidUtf8(std::string_view(text).substr(0, end))) --end;  // not in the middle of a character
  return fmt::format("`{}...`", EscapeControls(text.substr(0, end)));
}

}  // namespace lethe::configs
