#pragma once

#include <sstream>
#include <stdexcept>

namespace lethe::memory {

/// A value that came in or out is NaN or infinite: where a training meets it, it has diverged.
class NotFinite : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

/// Throws std::invalid_argument with all of `text`, unless ok.
template <class... Text>
void Check(bool ok, const Text&... text) {
  if (ok) return;
  std::ostringstream message;
  (message << ... << text);
  throw std::invalid_argument(message.str());
}

/// The same for an option: names it, what it is and what is allowed.
template <class Value, class Allowed>
void CheckOption(bool ok, const char* option, const Value& value, const Allowed& allowed) {
  Check(ok, "memory option `", option, "`: got ", value, ", allowed: ", allowed);
}

}  // namespace lethe::memory
