#include "tools/command_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <stdexcept>

#include "configs/nearest.h"
#include "configs/scalar.h"

namespace lethe::tools {
namespace {

namespace po = boost::program_options;

/// `--ep` is not taken for `--episodes`: it would change its meaning when another flag comes.
constexpr int kStyle = po::command_line_style::allow_long | po::command_line_style::long_allow_next |
                       po::command_line_style::long_allow_adjacent;

po::options_description Description(const std::vector<Flag>& flags) {
  po::options_description description;
  for (const Flag& flag : flags) {
    if (flag.value_name.empty())
      description.add_options()(flag.name.c_str(), flag.meaning.c_str());
    else
      description.add_options()(flag.name.c_str(), po::value<std::string>(), flag.meaning.c_str());
  }
  return description;
}

std::string WithDashes(const std::string& name) {
  return "--" + name.substr(std::min(name.find_first_not_of('-'), name.size()));
}

[[noreturn]] void RefuseUnknown(const std::string& got, const std::vector<Flag>& flags) {
  std::vector<std::string> names;
  for (const Flag& flag : flags) names.push_back(WithDashes(flag.name));
  const std::string near = configs::DidYouMean(WithDashes(got), names);
  throw UserError(fmt::format("unknown flag {}{}", configs::InBackticks(got),
                              near.empty() ? "; allowed: " + fmt::format("{}", fmt::join(names, ", ")) : near));
}

/// Boost reads "-x" as a plain word where short flags are off.
bool LooksLikeFlag(const std::string& word) {
  return word.size() > 1 && word[0] == '-' && !std::isdigit(static_cast<unsigned char>(word[1]));
}

/// "train.max_steps=100": what stands before `=` could be the name of an option, right or misspelt.
bool IsOverride(const std::string& word) {
  const size_t equals = word.find('=');
  if (equals == std::string::npos) return false;
  return std::all_of(word.begin(), word.begin() + static_cast<std::ptrdiff_t>(equals), [](unsigned char c) {
    return std::islower(c) || std::isdigit(c) || c == '.' || c == '_' || c == '-' || c == ' ';
  });
}

template <class T>
T Checked(const std::string& flag, T value, T lowest, T highest) {
  if (value >= lowest && value <= highest) return value;
  throw UserError(fmt::format("--{}: got {}, allowed: {}..{}", flag, value, lowest, highest));
}

}  // namespace

CommandLine::CommandLine(std::string program, const std::vector<Flag>& flags, const std::vector<std::string>& words)
    : program_(std::move(program)) {
  const po::options_description description = Description(flags);
  po::parsed_options parsed(&description);
  try {
    parsed = po::command_line_parser(words).options(description).style(kStyle).run();
  } catch (const po::unknown_option& error) {
    RefuseUnknown(error.get_option_name(), flags);
  } catch (const po::invalid_command_line_syntax& error) {
    const bool needs_none = error.kind() == po::invalid_command_line_syntax::extra_parameter;
    throw UserError(fmt::format("{} {}", error.get_option_name(), needs_none ? "takes no value" : "needs a value"));
  }
  for (const po::option& option : parsed.options) {
    if (!option.string_key.empty()) {
      const std::string value = option.value.empty() ? "" : option.value[0];
      const bool stands_apart = option.original_tokens.size() > 1;
      if (stands_apart && LooksLikeFlag(value)) throw UserError(fmt::format("--{} needs a value", option.string_key));
      if (!flags_.emplace(option.string_key, value).second)
        throw UserError(fmt::format("--{} is given twice", option.string_key));
      continue;
    }
    for (const std::string& word : option.value) {
      if (LooksLikeFlag(word)) RefuseUnknown(word, flags);
      (IsOverride(word) ? overrides_ : words_).push_back(word);
    }
  }
}

std::string CommandLine::Text(const std::string& flag, const std::string& otherwise) const {
  const auto found = flags_.find(flag);
  return found == flags_.end() ? otherwise : found->second;
}

int64_t CommandLine::Integer(const std::string& flag, int64_t otherwise, int64_t lowest, int64_t highest) const {
  if (!Has(flag)) return otherwise;
  try {
    return Checked(flag, configs::ParseInteger(Text(flag)), lowest, highest);
  } catch (const std::invalid_argument& error) {
    throw UserError(fmt::format("--{}: {}; allowed: integer, {}..{}", flag, error.what(), lowest, highest));
  }
}

double CommandLine::Number(const std::string& flag, double otherwise, double lowest, double highest) const {
  if (!Has(flag)) return otherwise;
  try {
    return Checked(flag, configs::ParseNumber(Text(flag)), lowest, highest);
  } catch (const std::invalid_argument& error) {
    throw UserError(fmt::format("--{}: {}; allowed: number, {}..{}", flag, error.what(), lowest, highest));
  }
}

void CommandLine::RequireAtMostWords(size_t count) const {
  if (words_.size() <= count) return;
  throw UserError(
      fmt::format("unexpected {}; options of a run are written key=value", configs::InBackticks(words_[count])));
}

void CommandLine::RequireNoOverrides(const std::string& what) const {
  if (overrides_.empty()) return;
  throw UserError(fmt::format("unexpected {}: {} takes no options", configs::InBackticks(overrides_[0]), what));
}

}  // namespace lethe::tools
