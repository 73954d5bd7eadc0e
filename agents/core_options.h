#pragma once

#include <memory>
#include <string>
#include <vector>

#include "configs/options.h"
#include "memory/registry.h"

namespace lethe::agents {

/// The memory core of a run: which one, and its options. Section `memory` of a config file.
struct CoreChoice {
  std::string name = "expire_span";
  std::shared_ptr<memory::CoreOptions> options = memory::FindCore("expire_span").make_options();

  /// Takes the core's options with their defaults. Errors: std::invalid_argument naming the cores there are.
  void Set(const std::string& core);
  /// Binds `core` and every option of that core.
  void Visit(configs::Options& options);
};

/// Checks that spans of the core can start again at this share of their limit; 0: they need not.
/// Errors: as CoreOptions::Make; std::invalid_argument naming consolidate.initial_span.
void CheckInitialSpan(const CoreChoice& core, double share_of_limit);

/// Names of a core's options, without "memory.". Errors: std::invalid_argument naming the cores there are.
std::vector<std::string> CoreOptionNames(const std::string& core);

/// Sets the core that the document names. Errors: configs::OptionError with the nearest name.
void ReadCoreName(const configs::Document& document, CoreChoice& core);

}  // namespace lethe::agents
