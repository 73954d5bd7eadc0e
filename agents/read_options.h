#pragma once

#include <functional>
#include <string>

#include "agents/core_options.h"

namespace lethe::agents {

/// Reads one option ahead of all others, since it decides which others there are: `section`.`key`, for instance env.id.
/// `set` takes it over. Errors: configs::OptionError; what `set` throws comes with the option's name and place.
void ReadChoice(const configs::Document& document, const char* section, const char* key, std::string value,
                const std::function<void(const std::string&)>& set);

/// The other options of a run: those of its core, then all; and the rules between them.
template <class Options>
void ReadAllOptions(const configs::Document& document, Options& options) {
  ReadCoreName(document, options.memory);
  configs::Options all;
  options.Visit(all);
  all.Read(document);
  options.Resolve();
}

template <class Options>
std::string YamlOf(Options& options) {
  configs::Options all;
  options.Visit(all);
  return all.ToYaml();
}

}  // namespace lethe::agents
