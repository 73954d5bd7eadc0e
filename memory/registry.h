#pragma once

#include <memory>
#include <string>
#include <vector>

#include "memory/core_options.h"

namespace lethe::memory {

/// One kind of core, as the option `memory.core` names it.
struct CoreInfo {
  std::string name;     ///< [a-z0-9_]
  std::string summary;  ///< one line
  std::unique_ptr<CoreOptions> (*make_options)() = nullptr;
};

/// In order of name. Threads: registration happens before main, everything else only reads.
const std::vector<CoreInfo>& Cores();
std::vector<std::string> CoreNames();
/// Errors: std::invalid_argument naming the cores there are.
const CoreInfo& FindCore(const std::string& name);

/// Adds a core. Errors: std::logic_error if the name is taken or not of [a-z0-9_].
bool RegisterCore(CoreInfo info);

/// In the core's .cpp file: LETHE_REGISTER_CORE("gru", GruOptions, "gated recurrent unit");
#define LETHE_REGISTER_CORE(name, Options, summary)                                            \
  [[maybe_unused]] static const bool lethe_core_is_registered = ::lethe::memory::RegisterCore( \
      {name, summary, []() -> std::unique_ptr<::lethe::memory::CoreOptions> { return std::make_unique<Options>(); }})

}  // namespace lethe::memory
