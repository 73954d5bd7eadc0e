#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace lethe::tools {

/// Something the person at the keyboard can put right: shown as one line, exit code 2.
class UserError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// For work on what the user named (files, folders, options): whatever the libraries refuse there is a UserError.
template <class Function>
decltype(auto) AsUserError(Function&& function) {
  try {
    return std::forward<Function>(function)();
  } catch (const std::runtime_error& error) {
    throw UserError(error.what());
  } catch (const std::invalid_argument& error) {
    throw UserError(error.what());
  }
}

/// Messages are one line; LibTorch adds a stack trace below its own.
inline std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace lethe::tools
