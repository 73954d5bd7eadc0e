#include "configs/utf8.h"

#include <algorithm>

namespace lethe::configs {
namespace {

struct Lead {
  size_t length = 0;        // of the sequence in bytes; 0: no lead byte
  unsigned char lo = 0x80;  // bounds of the second byte: they exclude overlong forms, surrogates and > U+10FFFF
  unsigned char hi = 0xBF;
};

Lead ClassifyLead(unsigned char byte) {
  if (byte < 0x80) return {1};
  if (byte >= 0xC2 && byte <= 0xDF) return {2};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte >= 0xE1 && byte <= 0xEF) return {3};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte >= 0xF1 && byte <= 0xF3) return {4};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {};
}

bool IsContinuation(unsigned char byte) { return (byte & 0xC0) == 0x80; }

// Length of the sequence that the text begins with; 0 if it is malformed.
size_t SequenceLength(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const Lead lead = ClassifyLead(byte(0));
  if (lead.length > text.size()) return 0;
  if (lead.length >= 2 && (byte(1) < lead.lo || byte(1) > lead.hi)) return 0;
  for (size_t i = 2; i < lead.length; ++i) {
    if (!IsContinuation(byte(i))) return 0;
  }
  return lead.length;
}

}  // namespace

std::optional<size_t> FindInvalidUtf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const size_t length = SequenceLength(text.substr(at));
    if (length == 0) return at;
    at += length;
  }
  return std::nullopt;
}

size_t CountCharacters(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return !IsContinuation(static_cast<unsigned char>(c)); });
}

}  // namespace lethe::configs
