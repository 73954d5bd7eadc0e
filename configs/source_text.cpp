#include "configs/source_text.h"

#include <algorithm>

#include <fmt/format.h>

#include "configs/document.h"
#include "configs/utf8.h"

namespace lethe::configs {
namespace {

// Offset of the first control character that is no line end; text.size() if there is none.
size_t FindControlCharacter(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool is_line_end = byte == '\n' || (byte == '\r' && i + 1 < text.size() && text[i + 1] == '\n');
    if ((byte < 0x20 || byte == 0x7F) && !is_line_end) return i;
  }
  return text.size();
}

}  // namespace

std::string SourceText::At(size_t offset) {
  if (offset < offset_) *this = SourceText(text_, name_);
  for (; offset_ < std::min(offset, text_.size()); ++offset_) Advance(text_[offset_]);
  return fmt::format("{}:{}:{}", name_, line_, column_);
}

void SourceText::Advance(char c) {
  const bool is_inside_character = (static_cast<unsigned char>(c) & 0xC0) == 0x80;
  column_ += !is_inside_character;
  if (c != '\n') return;
  ++line_;
  column_ = 1;
}

void CheckCharacters(SourceText& source) {
  const std::string_view text = source.text();
  if (const auto bad = FindInvalidUtf8(text)) {
    const auto byte = static_cast<unsigned char>(text[*bad]);
    throw OptionError(source.At(*bad), fmt::format("byte 0x{:02X} is not valid UTF-8", byte));
  }
  const size_t control = FindControlCharacter(text);
  if (control == text.size()) return;
  const bool is_tab = text[control] == '\t';
  const std::string reason =
      is_tab ? "a tab, expected spaces" : fmt::format("control character 0x{:02X}", text[control]);
  throw OptionError(source.At(control), reason);
}

void CheckNoDirectives(SourceText& source) {
  const std::string_view text = source.text();
  for (size_t at = text.find('%'); at != std::string_view::npos; at = text.find('%', at + 1)) {
    const bool begins_line = at == 0 || text[at - 1] == '\n';
    if (begins_line) throw OptionError(source.At(at), "directives (%NAME) are not supported");
  }
}

bool IsQuoteClosed(std::string_view text, size_t start) {
  const char quote = text[start];
  for (size_t at = start + 1; at < text.size(); ++at) {
    const bool is_pair = at + 1 < text.size() && text[at] == '\'' && text[at + 1] == '\'';
    const bool is_escape = quote == '"' ? text[at] == '\\' : is_pair;
    if (text[at] == quote && !is_escape) return true;
    at += is_escape;
  }
  return false;
}

}  // namespace lethe::configs
