#pragma once

#include <cstdint>
#include <string>

namespace lethe::configs {

/// Strict readings of one plain value. Numbers are written as in JSON: 12, -0.5, 1e-3; no leading zeros, plus sign,
/// hexadecimal, octal, separators, nan or inf. Nothing may stand around them.
/// Errors: std::invalid_argument whose message says what was got and why it will not do.
/// Threads: pure, and independent of the locale.

/// Only `true` and `false`: YAML 1.1 also took yes, no, on, off, and so misread the Norwegian `no`.
bool ParseBool(const std::string& text);

/// An integer of 64 bits. 1e6 and 2.5e3 are fine, being whole; 1.5 is not.
int64_t ParseInteger(const std::string& text);

/// The nearest double. A number too large for it, or one so small that it would become 0, is an error.
double ParseNumber(const std::string& text);

/// Texts that the readings above, and YAML, take back as exactly the same value. Doubles get the fewest digits for
/// that.
std::string YamlText(bool value);
std::string YamlText(int value);
std::string YamlText(int64_t value);
std::string YamlText(double value);

/// As it stands where that is safe, else in double quotes with escapes. `text` is UTF-8 without NUL.
std::string YamlText(const std::string& text);

/// Control characters as \xNN, so that a message stays on its line and cannot steer a terminal.
std::string EscapeControls(const std::string& text);

/// `text` in backticks, for messages: control characters escaped, long ones cut.
std::string InBackticks(const std::string& text);

}  // namespace lethe::configs
