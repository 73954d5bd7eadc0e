#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lethe::configs {

/// A text with the name of its file, for messages with places. Does not own the text.
class SourceText {
 public:
  SourceText(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  std::string_view text() const { return text_; }

  /// "name:line:column" of a byte, both from 1, columns in characters. Going forward costs only the bytes between, so
  /// that a place for each of n keys costs one pass.
  std::string At(size_t offset);

 private:
  void Advance(char c);

  std::string_view text_;
  std::string name_;
  size_t offset_ = 0;  // of the last place; line_ and column_ belong to it
  int line_ = 1;
  int column_ = 1;
};

/// Refuses invalid UTF-8, tabs, and control characters other than line ends (LF or CR LF). Errors: OptionError.
void CheckCharacters(SourceText& source);

/// Refuses lines that begin with %. Errors: OptionError.
void CheckNoDirectives(SourceText& source);

/// Does the quoted text that starts at `start` (' or ") end? Inside, '' and \" stand for the quote itself.
bool IsQuoteClosed(std::string_view text, size_t start);

}  // namespace lethe::configs
