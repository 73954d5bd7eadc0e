#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace lethe::configs {

/// Bad option text. what() is one complete message for the user: "corridor.yaml:3:7: key `train.lr`: got 5, allowed
/// 0..1".
class OptionError : public std::runtime_error {
 public:
  /// where: "corridor.yaml:3:7", "command line: train.lr=5", or a file name.
  OptionError(const std::string& where, const std::string& what) : std::runtime_error(where + ": " + what) {}
};

/// Text of options before anything is known about them: keys and values with their positions, from one YAML file and
/// from assignments on the command line. Syntax is checked here; names, types and ranges by Options::Read.
///
/// The accepted YAML is small on purpose: one document of nested mappings with scalar values, at most 1 MB of UTF-8.
/// Refused, because they are mistakes more often than meant: keys given twice, keys with dots, empty values,
/// lists, anchors, aliases, tags, directives, several documents, tabs and other control characters, and nesting deeper
/// than kMaxDepth. Quoted values are text, never numbers. An empty file is an empty document.
class Document {
 public:
  static constexpr size_t kMaxBytes = 1'000'000;
  static constexpr int kMaxDepth = 8;

  /// One key of the document. Sections (mappings) are entries too, so that an unknown one is found even when empty.
  struct Entry {
    std::string key;        ///< dotted: "train.lr"
    std::string key_where;  ///< position of the key
    std::string where;      ///< position of the value
    std::string text;       ///< the value without quotes; "" for a section
    bool is_quoted = false;
    bool is_section = false;
    bool is_override = false;  ///< from the command line
  };

  /// An empty document, to be filled by Override.
  Document() = default;

  /// Reads a file. Errors: OptionError with file, line and column (both from 1; columns count characters).
  static Document FromFile(const std::string& path);

  /// The same for a text at hand; `name` stands for the file in messages.
  static Document FromText(const std::string& text, const std::string& name);

  /// Sets one key from "train.lr=0.01", replacing the file's value. The value is taken as it stands: a shell has
  /// removed the quotes already. Errors: OptionError when `=` or the key is missing, the text is no UTF-8, or the key
  /// was overridden before.
  void Override(const std::string& assignment);

  /// Forgets a key of the file. A key that is absent, a section or from the command line stays as it is; false then.
  bool RemoveFromFile(const std::string& dotted_key);

  /// Text of the value of a dotted key; empty if the key is absent or a section.
  std::optional<std::string> Find(const std::string& dotted_key) const;

  /// Position of the value of a dotted key, to begin a message about it; "" if absent.
  std::string Where(const std::string& dotted_key) const;

  /// In the order of the file, each section before its content; overrides of new keys follow.
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  const Entry* FindEntry(const std::string& dotted_key) const;

  std::vector<Entry> entries_;
};

}  // namespace lethe::configs
