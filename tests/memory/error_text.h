#pragma once

#include <stdexcept>
#include <string>

namespace lethe::memory {

/// The message of the std::invalid_argument that `call` throws; "" if it returns. Other exceptions fail the test.
template <class F>
std::string ErrorText(F&& call) {
  try {
    call();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

}  // namespace lethe::memory
