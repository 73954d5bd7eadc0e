#include "agents/read_options.h"

#include <fmt/format.h>

#include <stdexcept>

namespace lethe::agents {

void ReadChoice(const configs::Document& document, const char* section, const char* key, std::string value,
                const std::function<void(const std::string&)>& set) {
  configs::Options first;
  first.Section(
      section, [&](configs::Options& s) { s(key, value, configs::Any{}, "decides which other options there are"); },
      section);
  first.ReadKnown(document);
  try {
    set(value);
  } catch (const std::invalid_argument& error) {
    const std::string name = fmt::format("{}.{}", section, key);
    throw configs::OptionError(document.Where(name), fmt::format("key `{}`: {}", name, error.what()));
  }
}

}  // namespace lethe::agents
