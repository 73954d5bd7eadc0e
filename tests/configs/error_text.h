#pragma once

#include <string>

namespace lethe::configs {

/// The message of the E that `call` throws; "" if it returns. Other exceptions pass through and fail the test.
template <class E, class F>
std::string ErrorText(F&& call) {
  try {
    call();
  } catch (const E& error) {
    return error.what();
  }
  return "";
}

}  // namespace lethe::configs
