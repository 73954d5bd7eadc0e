#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tools/user_error.h"

namespace lethe::tools {

/// A flag of a command. One line of it serves reading, checking and help.
struct Flag {
  std::string name;        ///< without dashes: "run-dir"
  std::string value_name;  ///< "DIR"; "" for a switch
  std::string meaning;
};

/// The words behind a command, sorted: flags, `key=value` overrides of options, and plain words (files, runs, ids).
/// Flags may stand anywhere; `--name value` and `--name=value` are the same. A word with `=` after a plain key is an
/// override; a path with `=` in it stays a plain word when it holds a slash or capital letters before the `=`.
class CommandLine {
 public:
  /// program: what the user typed to start the program, for suggestions of what to type next.
  /// Errors: UserError for an unknown flag (with the nearest one), a missing or superfluous value, a flag given twice.
  CommandLine(std::string program, const std::vector<Flag>& flags, const std::vector<std::string>& words);

  bool Has(const std::string& flag) const { return flags_.contains(flag); }

  /// The flag's value, or `otherwise` where it was not given.
  std::string Text(const std::string& flag, const std::string& otherwise = "") const;

  /// The same as a number. Errors: UserError outside lowest .. highest.
  int64_t Integer(const std::string& flag, int64_t otherwise, int64_t lowest, int64_t highest) const;
  double Number(const std::string& flag, double otherwise, double lowest, double highest) const;

  /// Errors: UserError when there are more words than `count`, naming the first that is too much.
  void RequireAtMostWords(size_t count) const;
  /// Errors: UserError when overrides were given: `what` takes none.
  void RequireNoOverrides(const std::string& what) const;

  const std::string& program() const { return program_; }
  const std::vector<std::string>& words() const { return words_; }
  const std::vector<std::string>& overrides() const { return overrides_; }

 private:
  std::string program_;
  std::map<std::string, std::string> flags_;
  std::vector<std::string> words_;
  std::vector<std::string> overrides_;
};

}  // namespace lethe::tools
